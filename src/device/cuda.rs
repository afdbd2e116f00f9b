//! NVIDIA GPUs, found without CubeCL, which panics where there is none or where its compiler is missing.
#![expect(unsafe_code, reason = "the interfaces of driver and compiler are C")]

use super::{Device, DeviceInfo, process};
use crate::error::{Error, Result};
use cubecl_cuda::install;
use cudarc::driver::sys::CUdevice_attribute::{
    CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
    CU_DEVICE_ATTRIBUTE_INTEGRATED,
};
use cudarc::{driver, nvrtc};
use std::ffi::CStr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;

/// The series of CUDA whose interface this crate is compiled for, as the driver counts: 1000 * major + 10 * minor.
const CUDA_SERIES: i32 = 13_000;
/// How to get what is missing beside the driver.
const WAY_OUT: &str = "pip install mnistburn[cuda] and leave CUDA_PATH unset, or install the CUDA 13 toolkit and set CUDA_PATH to it";

/// Includes a header of each of the four packages that `CubeCL`'s kernels need, but none that takes a second to compile.
const TRIAL_KERNEL: &CStr = c"
#include <cuda_runtime.h>
#include <cuda_fp16.h>
#include <cuda_bf16.h>
#include <mma.h>
#include <cuda/ptx>
extern \"C\" __global__ void trial(__half* values) { values[threadIdx.x] = __hmul(values[threadIdx.x], values[threadIdx.x]); }
";

/// Whether NVIDIA's driver can be loaded.
pub fn driver() -> bool {
    // SAFETY: tries to load the library and answers whether that worked.
    unsafe { driver::sys::is_culib_present() }
}

/// The CUDA toolkit that `CubeCL` takes headers from: what `CUDA_PATH` says, or a usual place of one that has them.
pub fn toolkit() -> Option<PathBuf> {
    match std::env::var_os("CUDA_PATH") {
        Some(path) if !path.is_empty() => Some(path.into()),
        // CubeCL would take an empty one for the working directory.
        Some(_) => None,
        None => install::cuda_path().filter(|path| path.join("include/cuda_runtime.h").exists()),
    }
}

/// The number of GPUs that the driver shows; at least one.
fn count() -> Result<usize> {
    if !driver() {
        return Err(Error::Device(
            "the device \"cuda\" needs NVIDIA's driver, and libcuda can't be loaded; install driver 580 or newer, or use \"cpu\""
                .into(),
        ));
    }
    let unusable = |error| {
        Error::Device(format!(
            "NVIDIA's driver can't be used: {error:?}; see nvidia-smi, or use \"cpu\""
        ))
    };
    // What is initialised here is of no use to a child.
    process::check(Device::Cuda(0))?;
    driver::result::init().map_err(unusable)?;
    let mut version = 0;
    // SAFETY: writes one number.
    let answer = unsafe { driver::sys::cuDriverGetVersion(&raw mut version) };
    answer.result().map_err(unusable)?;
    if version < CUDA_SERIES {
        return Err(Error::Device(format!(
            "the device \"cuda\" needs NVIDIA's driver 580 or newer, which has CUDA {}, got one of CUDA {}; install a newer \
             driver, or use \"cpu\"",
            CUDA_SERIES / 1000,
            version / 1000
        )));
    }
    match driver::result::device::get_count().map_err(unusable)? {
        count @ 1.. => Ok(count.unsigned_abs() as usize),
        _ => Err(Error::Device(
            "the device \"cuda\" needs an NVIDIA GPU, and the driver shows none; see nvidia-smi and CUDA_VISIBLE_DEVICES, or \
             use \"cpu\""
                .into(),
        )),
    }
}

/// Checks that a GPU is there and that kernels can be compiled for it.
pub(super) fn check(index: usize) -> Result<()> {
    match count()? {
        count if index >= count => Err(Error::Device(format!(
            "the index of a cuda device must be below the number of NVIDIA GPUs of this machine, {count}, got {index}; \
             mnistburn devices lists them"
        ))),
        _ => check_compiler(&architecture(index)?),
    }
}

/// The first GPU that works; the reason of the first one where none does.
pub(super) fn first() -> Result<usize> {
    let works = |index: &usize| check(*index).is_ok();
    match (0..count()?).find(works) {
        Some(index) => Ok(index),
        None => check(0).map(|()| 0),
    }
}

fn handle(index: usize) -> Result<driver::sys::CUdevice> {
    let number = i32::try_from(index).unwrap_or(i32::MAX);
    driver::result::device::get(number).map_err(|error| {
        Error::Device(format!(
            "the GPU \"cuda:{index}\" can't be used: {error:?}; see nvidia-smi, or use \"cpu\""
        ))
    })
}

fn attribute(index: usize, attribute: driver::sys::CUdevice_attribute) -> Result<i32> {
    let device = handle(index)?;
    // SAFETY: `device` is a handle of the driver.
    unsafe { driver::result::device::get_attribute(device, attribute) }.map_err(|error| {
        Error::Device(format!(
            "the GPU \"cuda:{index}\" gives no attributes: {error:?}; see nvidia-smi, or use \"cpu\""
        ))
    })
}

fn architecture(index: usize) -> Result<String> {
    let major = attribute(index, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
    let minor = attribute(index, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
    // As CubeCL compiles: for this very architecture where there is more than its successors keep.
    let suffix = if major >= 9 { "a" } else { "" };
    Ok(format!("sm_{major}{minor}{suffix}"))
}

/// Checks that NVRTC is there and compiles, with NVIDIA's headers, for a GPU of `architecture` (as in `"sm_90"`).
///
/// Needs no GPU and no driver. What worked once is not tried again.
pub fn check_compiler(architecture: &str) -> Result<()> {
    static GOOD: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let mut good = GOOD.lock().unwrap_or_else(PoisonError::into_inner);
    if !good.iter().any(|known| known == architecture) {
        compile_trial(architecture)?;
        good.push(architecture.to_owned());
    }
    Ok(())
}

fn compile_trial(architecture: &str) -> Result<()> {
    // SAFETY: tries to load the library and answers whether that worked.
    if !unsafe { nvrtc::sys::is_culib_present() } {
        return Err(Error::Device(format!(
            "the device \"cuda\" needs NVRTC, NVIDIA's compiler, and libnvrtc can't be loaded; {WAY_OUT}"
        )));
    }
    let Some(toolkit) = toolkit() else {
        return Err(Error::Device(format!(
            "the device \"cuda\" needs the headers of CUDA, and there is no toolkit; {WAY_OUT}"
        )));
    };
    let headers = toolkit.join("include");
    let options = [
        format!("--gpu-architecture={architecture}"),
        format!("--include-path={}", headers.display()),
        format!("--include-path={}", headers.join("cccl").display()),
    ];
    let failed = |error| Error::Device(format!("NVRTC can't be used: {error:?}; {WAY_OUT}"));
    let program = nvrtc::result::create_program(TRIAL_KERNEL, None).map_err(failed)?;
    // SAFETY: `program` is used until it is destroyed, once.
    let (compiled, log) = unsafe {
        let compiled = nvrtc::result::compile_program(program, &options);
        let log = nvrtc::result::get_program_log(program).unwrap_or_default();
        let _ = nvrtc::result::destroy_program(program);
        (compiled, log)
    };
    compiled.map_err(|error| {
        let log: Vec<u8> = log
            .iter()
            .map(|character| character.cast_unsigned())
            .collect();
        let log = CStr::from_bytes_until_nul(&log)
            .unwrap_or_default()
            .to_string_lossy();
        let first = log.lines().next().filter(|line| !line.is_empty());
        let what = first.map_or_else(|| format!("{error:?}"), str::to_owned);
        Error::Device(format!(
            "NVRTC can't compile for {architecture} with the headers in {}: {what}; {WAY_OUT}",
            headers.display()
        ))
    })
}

pub(super) fn list() -> Vec<DeviceInfo> {
    let count = match count() {
        Err(error) => return vec![DeviceInfo::missing("cuda", &error)],
        Ok(count) => count,
    };
    (0..count)
        .map(|index| DeviceInfo {
            device: Device::Cuda(index).to_string(),
            kind: match attribute(index, CU_DEVICE_ATTRIBUTE_INTEGRATED) {
                Ok(1) => "integrated",
                _ => "discrete",
            },
            name: handle(index)
                .ok()
                .and_then(|device| driver::result::device::get_name(device).ok())
                .unwrap_or_default(),
            reason: check(index).err().map(|error| error.to_string()),
        })
        .collect()
}
