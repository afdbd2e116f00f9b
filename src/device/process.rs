//! GPUs and forks.

use super::Device;
use crate::error::{Error, Result};
use std::sync::atomic::{AtomicU32, Ordering};

/// The processes that use wgpu and CUDA; 0 before one does.
static OWNERS: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

/// Checks that this process may use `device`: the driver's connection and the threads that feed a GPU do not survive a
/// fork, and a child that used them would fail, or wait for ever.
pub(crate) fn check(device: Device) -> Result<()> {
    let owner = match device {
        Device::Cpu => return Ok(()),
        Device::Wgpu(_) => &OWNERS[0],
        Device::Cuda(_) => &OWNERS[1],
    };
    let process = std::process::id();
    match owner.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed) {
        Err(owner) if owner != process => Err(Error::Device(format!(
            "a process can use {device} only if its parent had not used a GPU when it was forked, and this one's had; start \
             it with multiprocessing's \"spawn\" method, or use \"cpu\""
        ))),
        _ => Ok(()),
    }
}
