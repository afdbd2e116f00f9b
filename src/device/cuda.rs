//! NVIDIA GPUs, found without CubeCL, which panics where there is no driver.
#![expect(unsafe_code, reason = "the driver's interface is C")]

use super::DeviceInfo;
use crate::error::{Error, Result};
use cudarc::{driver, nvrtc};

/// The GPUs that the driver counts.
fn count() -> Result<usize> {
    // SAFETY: tries to load the library and answers whether that worked.
    if !unsafe { driver::sys::is_culib_present() } {
        return Err(Error::Device(
            "the device \"cuda\" needs NVIDIA's driver, and libcuda can't be loaded; install driver 580 or newer, or use \"cpu\""
                .into(),
        ));
    }
    // SAFETY: as above.
    if !unsafe { nvrtc::sys::is_culib_present() } {
        return Err(Error::Device(
            "the device \"cuda\" needs NVRTC, and libnvrtc can't be loaded; install the CUDA 13 toolkit, or use \"cpu\"".into(),
        ));
    }
    driver::result::init()
        .and_then(|()| driver::result::device::get_count())
        .map(|count| usize::try_from(count).unwrap_or(0))
        .map_err(|error| {
            Error::Device(format!(
                "NVIDIA's driver can't be used: {error:?}; see nvidia-smi, or use \"cpu\""
            ))
        })
}

pub(super) fn check(index: usize) -> Result<()> {
    match count()? {
        count if index < count => Ok(()),
        count => Err(Error::Device(format!(
            "the index of a cuda device must be below the {count} GPUs of this machine, got {index}"
        ))),
    }
}

fn name(index: usize) -> String {
    i32::try_from(index)
        .ok()
        .and_then(|index| driver::result::device::get(index).ok())
        .and_then(|device| driver::result::device::get_name(device).ok())
        .unwrap_or_default()
}

pub(super) fn list() -> Vec<DeviceInfo> {
    match count() {
        Err(error) => vec![DeviceInfo::missing("cuda", &error)],
        Ok(count) => (0..count)
            .map(|index| DeviceInfo {
                device: super::Device::Cuda(index).to_string(),
                kind: "discrete",
                name: name(index),
                reason: None,
            })
            .collect(),
    }
}
