//! How Burn's records of a network are laid out.
//!
//! Formats with the names of fields are read by them. bincode writes fields by their order alone, so a network states it.

/// A part of a record.
#[derive(Clone, Copy, Debug)]
pub enum Layout {
    /// A parameter.
    Parameter,
    /// A parameter that a record may lack: a bias.
    OptionalParameter,
    /// What has no state, as an activation.
    Nothing,
    /// A setting of a convolution. No record holds its value, but what stands for it differs between versions of Burn.
    Setting,
    /// A part that a record may lack.
    Optional(&'static Layout),
    /// Parts of one layout, as many as there are.
    List(&'static Layout),
    /// A module with its fields, in their order.
    Module(&'static [(&'static str, Layout)]),
}

/// Burn's `Conv2d`.
pub const CONV2D: Layout = Layout::Module(&[
    ("weight", Layout::Parameter),
    ("bias", Layout::OptionalParameter),
    ("stride", Layout::Setting),
    ("kernel_size", Layout::Setting),
    ("dilation", Layout::Setting),
    ("groups", Layout::Nothing),
    ("padding", Layout::Nothing),
]);

/// Burn's `Linear`.
pub const LINEAR: Layout = Layout::Module(&[
    ("weight", Layout::Parameter),
    ("bias", Layout::OptionalParameter),
]);

/// Burn's `GroupNorm`.
pub const GROUP_NORM: Layout = Layout::Module(&[
    ("gamma", Layout::OptionalParameter),
    ("beta", Layout::OptionalParameter),
    ("num_groups", Layout::Nothing),
    ("num_channels", Layout::Nothing),
    ("epsilon", Layout::Nothing),
    ("affine", Layout::Nothing),
]);

/// Burn's `BatchNorm`.
pub const BATCH_NORM: Layout = Layout::Module(&[
    ("gamma", Layout::Parameter),
    ("beta", Layout::Parameter),
    ("running_mean", Layout::Parameter),
    ("running_var", Layout::Parameter),
    ("momentum", Layout::Nothing),
    ("epsilon", Layout::Nothing),
]);
