//! The extension module `mnistburn._native`: arguments in, one call to the core, results out.

mod arguments;
mod dataset;
mod digit;
mod error;
mod functions;
mod gradients;
mod likeness;
mod loss;
mod lr_scheduler;
mod model;
mod optimizer;
mod panics;
mod pictures;
mod pool;
mod ranks;
mod run;
mod tapes;
mod train;

/// The core of mnistburn in Rust. Use the package `mnistburn`, whose classes and functions stand on this module.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::dataset::{Dataset, ImageFile, check_weights, describe_datasets};
    #[pymodule_export]
    use super::digit::prepare_digit;
    #[pymodule_export]
    use super::functions::{
        augment, batch_order, build_info, burn_config, check_cuda_compiler, choose_device,
        complete_config, cpu_kernels, cuda_driver, cuda_toolkit, describe, devices, find_rate,
        holds_run, load_run, read_idx, resolve_device, run_files, run_history, settle_run,
        split_indices,
    };
    #[pymodule_export]
    use super::gradients::Gradients;
    #[pymodule_export]
    use super::likeness::unlike;
    #[pymodule_export]
    use super::loss::{Loss, TrainingOutput};
    #[pymodule_export]
    use super::lr_scheduler::LrScheduler;
    #[pymodule_export]
    use super::model::Model;
    #[pymodule_export]
    use super::optimizer::Optimizer;
    #[pymodule_export]
    use super::pictures::{
        Picture, PictureFolder, folder_classes, folder_pictures, is_called_picture, is_passed_over,
        part_named, read_folder,
    };
    #[pymodule_export]
    use super::ranks::Ranks;
    #[pymodule_export]
    use super::train::{RunView, train};

    /// The version of the crate.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    #[expect(clippy::unnecessary_wraps, reason = "PyO3 asks for this signature")]
    fn init() -> pyo3::PyResult<()> {
        super::panics::keep_quiet();
        Ok(())
    }
}

/// The system's allocator gives tensors of megabytes back at each step, and takes them again page by page: at 256 images of
/// 32 x 32 a quarter of the time of a step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
