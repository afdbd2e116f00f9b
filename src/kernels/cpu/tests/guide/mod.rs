mod any_shape;
mod convolutions;
