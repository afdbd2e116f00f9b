//! Whether a data set is another.

use super::Dataset;
use super::idx::hexadecimal;
use crate::config::ImageShape;
use crate::error::Result;
use sha2::{Digest, Sha256};

impl Dataset {
    /// SHA-256 of the shape of the images (height, width and channels, 64-bit little-endian), the images, the targets and, if there
    /// are any, the weights.
    pub fn fingerprint(&self) -> Result<String> {
        let ImageShape {
            height,
            width,
            channels,
        } = self.shape();
        let mut hash = Sha256::new();
        for size in [height, width, channels] {
            hash.update((size as u64).to_le_bytes());
        }
        self.hash_content(hash)
    }

    /// Whether a fingerprint is that of these images and targets; also one without the shape, which older runs have.
    pub fn has_fingerprint(&self, fingerprint: &str) -> Result<bool> {
        Ok(self.fingerprint()? == fingerprint || self.hash_content(Sha256::new())? == fingerprint)
    }

    fn hash_content(&self, mut hash: Sha256) -> Result<String> {
        for part in self.parts() {
            hash.update(self.read(part)?);
        }
        for target in self.targets() {
            hash.update(target.to_le_bytes());
        }
        for weight in self.weights().unwrap_or_default() {
            hash.update(weight.to_le_bytes());
        }
        Ok(hexadecimal(&hash.finalize()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_another_shape_have_another_fingerprint() {
        let data = |height, width| {
            let shape = ImageShape {
                height,
                width,
                channels: 1,
            };
            Dataset::new(vec![4, 5, 0, 1], shape, &[7, 8]).unwrap()
        };
        let (wide, high) = (data(1, 2), data(2, 1));
        // From Python's hashlib and struct.
        let expected = "401403baca3dc680799e21c6ca2cb1b41be60db9ba896c98ef6e4a99de0585ec";
        assert_eq!(wide.fingerprint().unwrap(), expected);
        assert_ne!(high.fingerprint().unwrap(), expected);
        assert!(wide.has_fingerprint(expected).unwrap());
        assert!(!high.has_fingerprint(expected).unwrap());
    }

    #[test]
    fn a_fingerprint_without_the_shape_is_known_too() {
        // From Python's hashlib: the pixels 4, 5, 0, 1 and the targets 7, 8.
        let older = "8e1065357995548fa7c8c7a7bec453c8afc0d251c7128d4498943889b3be3d59";
        let shape = ImageShape {
            height: 1,
            width: 2,
            channels: 1,
        };
        let data = |targets| Dataset::new(vec![4, 5, 0, 1], shape, targets).unwrap();
        assert!(data(&[7, 8]).has_fingerprint(older).unwrap());
        assert!(!data(&[7, 9]).has_fingerprint(older).unwrap());
    }
}
