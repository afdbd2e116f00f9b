//! What the fuzz targets share.

pub mod mutators;
pub mod parsers;
