use super::artifact::Place;
use super::moment::Moment;
use super::{Ended, Event, LOG_FILE, Level, Observer};
use crate::error::{Error, Result};
use crate::model::Predictions;
use std::fs::{File, OpenOptions};
use std::io::Write;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Writes the course of a run to its `train.log`, and passes every event on.
pub(super) struct LogFile {
    place: Place,
    next: Box<dyn Observer>,
}

impl LogFile {
    pub fn append_to(place: Place, next: Box<dyn Observer>) -> Result<Self> {
        let log = Self { place, next };
        log.open()
            .map_err(Error::io("could not write", &log.place.file(LOG_FILE)))?;
        Ok(log)
    }

    /// Opened for each line, of which there are few: the directory around it may move, which an open file prevents on Windows.
    fn open(&self) -> std::io::Result<File> {
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.place.file(LOG_FILE))
    }

    fn write(&mut self, level: &str, message: &str) {
        let time = OffsetDateTime::now_utc()
            .replace_nanosecond(0)
            .unwrap_or_else(|_| OffsetDateTime::now_utc())
            .format(&Rfc3339)
            .unwrap_or_default();
        // A full disk must not end a run for a line of its log.
        let line = format!("{time} {level} {message}\n");
        let _ = self
            .open()
            .and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

impl LogFile {
    fn log(&mut self, event: &Event) {
        match event {
            Event::Start { epoch, num_epochs, train_images, valid_images, device, .. } => self.write(
                "info",
                &format!("epoch {epoch} of {num_epochs} starts on {device}: {train_images} training and {valid_images} validation images"),
            ),
            Event::EpochEnd(row) => self.write(
                "info",
                &format!(
                    "epoch {} ended: train loss {:.4}, accuracy {:.4}; validation loss {:.4}, accuracy {:.4}; {:.1} s, {:.0} images/s",
                    row.epoch, row.train_loss, row.train_accuracy, row.valid_loss, row.valid_accuracy, row.seconds, row.images_per_second
                ),
            ),
            Event::Log { level: Level::Info, message } => self.write("info", message),
            Event::Log { level: Level::Warning, message } => self.write("warning", message),
            Event::Failed { message } => self.write("error", message),
            Event::End { ended, .. } => self.write(
                "info",
                match ended {
                    Ended::Completed => "the run is complete",
                    Ended::Stopped => "the run was stopped by a callback; resume to go on",
                    Ended::StoppedEarly => "the run was stopped early; resume with more patience to go on",
                    Ended::Interrupted => "the run was interrupted; resume to go on",
                },
            ),
            Event::EpochStart { .. }
            | Event::StepStart { .. }
            | Event::TrainStep { .. }
            | Event::ValidStart { .. }
            | Event::ValidStep { .. }
            | Event::ValidEnd { .. } => {}
        }
    }
}

impl Observer for LogFile {
    fn notify(&mut self, event: Event) {
        self.log(&event);
        self.next.notify(event);
    }

    fn notify_at(&mut self, event: Event, moment: &dyn Moment) {
        self.log(&event);
        self.next.notify_at(event, moment);
    }

    fn wants_all(&self) -> bool {
        self.next.wants_all()
    }

    fn metrics(&self) -> Vec<String> {
        self.next.metrics()
    }

    fn measure(&mut self, predictions: &Predictions) -> Option<Vec<f64>> {
        self.next.measure(predictions)
    }

    fn wants_each_step(&self) -> bool {
        self.next.wants_each_step()
    }
}
