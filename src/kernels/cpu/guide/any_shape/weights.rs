//! The parameters of the convolutions and their gradients as the passes have them.

use super::super::parameters::Parameters;
use crate::kernels::cpu::scratch::Aligned;

/// The parameters as the passes read them.
#[derive(Clone, Debug)]
pub struct Weights {
    /// By tap and input channel; times the scale of dropout, as all but the last.
    pub conv1: Vec<[f32; 8]>,
    pub bias1: [f32; 8],
    /// By tap and input channel.
    pub conv2: Vec<Aligned<[f32; 16]>>,
    pub bias2: [f32; 16],
    /// Those of the second for the way back, without the scale: by output channel and tap.
    pub back: Vec<[[f32; 8]; 9]>,
}

impl Weights {
    pub fn new(parameters: Parameters<'_>, channels: usize, scale: f32) -> Self {
        let Parameters {
            weight1,
            bias1,
            weight2,
            bias2,
        } = parameters;
        let conv1 = (0..9 * channels).map(|place| {
            let (tap, input) = (place / channels, place % channels);
            std::array::from_fn(|output| scale * weight1[9 * (channels * output + input) + tap])
        });
        let conv2 = (0..72).map(|place| {
            let (tap, input) = (place / 8, place % 8);
            let of = |output| scale * weight2[9 * (8 * output + input) + tap];
            Aligned(std::array::from_fn(of))
        });
        let back = (0..16).map(|output| {
            std::array::from_fn(|tap| {
                std::array::from_fn(|input| weight2[9 * (8 * output + input) + tap])
            })
        });
        Self {
            conv1: conv1.collect(),
            bias1: std::array::from_fn(|channel| scale * bias1[channel]),
            conv2: conv2.collect(),
            bias2: std::array::from_fn(|channel| scale * bias2[channel]),
            back: back.collect(),
        }
    }
}

/// Sums of gradients over images.
pub struct Gradients {
    /// By tap and input channel; without the scale of dropout, as the bias.
    pub conv1: Vec<[f32; 8]>,
    pub bias1: [f32; 8],
    /// By tap and input channel.
    pub conv2: Vec<[f32; 16]>,
    pub bias2: [f32; 16],
}

impl Gradients {
    pub fn zero(channels: usize) -> Self {
        Self {
            conv1: vec![[0.0; 8]; 9 * channels],
            bias1: [0.0; 8],
            conv2: vec![[0.0; 16]; 72],
            bias2: [0.0; 16],
        }
    }

    pub fn add(&mut self, other: &Self) {
        fn add(to: &mut [f32], from: &[f32]) {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        }

        add(self.conv1.as_flattened_mut(), other.conv1.as_flattened());
        add(&mut self.bias1, &other.bias1);
        add(self.conv2.as_flattened_mut(), other.conv2.as_flattened());
        add(&mut self.bias2, &other.bias2);
    }

    /// In Burn's layout: of weight and bias of the first convolution, then of the second.
    pub fn finish(&self, scale: f32) -> [Vec<f32>; 4] {
        let channels = self.conv1.len() / 9;
        let mut weight1 = Vec::with_capacity(72 * channels);
        for output in 0..8 {
            for input in 0..channels {
                let taps = (0..9).map(|tap| scale * self.conv1[channels * tap + input][output]);
                weight1.extend(taps);
            }
        }
        let mut weight2 = Vec::with_capacity(16 * 72);
        for output in 0..16 {
            for input in 0..8 {
                weight2.extend((0..9).map(|tap| self.conv2[8 * tap + input][output]));
            }
        }
        let bias1 = self.bias1.iter().map(|bias| scale * bias).collect();
        [weight1, bias1, weight2, self.bias2.to_vec()]
    }
}
