//! What is told of a run that diverges, and the way out.

use super::checkpoints;
use super::epochs::Run;
use super::progress::Progress;
use crate::device::AutodiffBackend;
use crate::error::Error;
use std::path::Path;

impl<B: AutodiffBackend> Run<B> {
    /// The error for a loss that is not finite: of the parameters at the moment `of`.
    pub fn diverged(&self, phase: &str, step: usize, loss: f64, of: Progress) -> Error {
        let what = format!(
            "the loss must stay finite, and it became {loss} in {phase} step {step} of epoch {}",
            self.progress.epoch
        );
        self.not_finite(&what, Some(of))
    }

    /// What to do about what is not finite; where that is a loss, it is one of the parameters at the moment `of`.
    pub fn not_finite(&self, what: &str, of: Option<Progress>) -> Error {
        let rate = self.config.learning_rate;
        let anew =
            format!("start it again with a learning_rate below {rate}, or with clipped gradients");
        let way_out = if let Some(path) = self.directory.older_run() {
            format!(
                "this run has no checkpoint yet, and the older run in {} is unchanged; {anew}",
                path.display()
            )
        } else {
            let root = self.directory.file("");
            let is_whole = |path: &Path| checkpoints::is_whole(&root, path);
            let all = checkpoints::all(&root).unwrap_or_default();
            let mut whole = all.into_iter().rev().filter(|(_, path)| is_whole(path));
            match (whole.next(), whole.next()) {
                (None, _) => format!("this run has no checkpoint yet; {anew}"),
                // Every run that goes on from it would end so.
                (Some((progress, path)), before) if of == Some(progress.at_step()) => {
                    match before {
                        None => format!(
                            "its only checkpoint, {progress}, has the parameters of that loss; {anew}"
                        ),
                        Some((before, _)) => format!(
                            "its last checkpoint, {progress}, has the parameters of that loss; remove the folder {}, go on from the \
                             checkpoint {before} with resume=True and a learning_rate below {rate}, or {anew}",
                            path.display()
                        ),
                    }
                }
                (Some((progress, _)), _) => format!(
                    "its last whole checkpoint is of the moment {progress}; go on from there with resume=True and a \
                     learning_rate below {rate}, or start it again with clipped gradients"
                ),
            }
        };
        Error::Training(format!("{what}; {way_out}"))
    }
}
