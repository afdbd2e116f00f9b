//! What a model predicts for images whose classes are known, and the metrics of that.

use crate::config::{Average, Metric};
use crate::error::{Error, Result};
use std::cmp::Ordering;

/// The scores of a model for images whose classes are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// Logits, or other logarithms of probabilities up to a constant of each image: `[n, num_classes]` row by row.
    pub logits: Vec<f64>,
    /// The class of each image, `[n]`.
    pub targets: Vec<u32>,
    /// How many classes there are.
    pub num_classes: usize,
}

impl Predictions {
    /// Refuses a metric that these images can't have.
    pub fn check(targets: &[u32], num_classes: usize, metric: Metric) -> Result<()> {
        metric.check(num_classes)?;
        let Metric::Auroc(average) = metric else {
            return Ok(());
        };
        let classes = match average {
            Average::Class(class) => class..class + 1,
            _ => 0..num_classes,
        };
        for class in classes {
            let images = targets.iter().filter(|target| **target as usize == class);
            let images = images.count();
            if images == 0 || images == targets.len() {
                return Err(Error::Config(format!(
                    "{metric} needs images of each class and others beside them, and {images} of the {} images are of class {class}; \
                     leave it out, or take auroc_class_N of a class that has both",
                    targets.len()
                )));
            }
        }
        Ok(())
    }

    /// The values of metrics, each with those of [`Metric::values`] in their order.
    pub fn measure(&self, metrics: &[Metric]) -> Result<Vec<Vec<f64>>> {
        let counts = Counts::of(self);
        metrics
            .iter()
            .map(|metric| {
                Self::check(&self.targets, self.num_classes, *metric)?;
                let values = metric.values(self.num_classes).into_iter();
                Ok(values.map(|single| self.value(single, &counts)).collect())
            })
            .collect()
    }

    /// The value of a metric that has a single one.
    fn value(&self, metric: Metric, counts: &Counts) -> f64 {
        match metric {
            Metric::TopAccuracy(count) => self.top_accuracy(count),
            Metric::Precision(average) => counts.average(average, |class| {
                share(counts.right(class), counts.taken(class))
            }),
            Metric::Recall(average) => counts.average(average, |class| {
                share(counts.right(class), counts.images(class))
            }),
            Metric::FBeta(beta, average) => counts.average(average, |class| {
                // The harmonic mean, without a division by a precision or a recall of 0.
                let weight = beta * beta;
                let images = weight * counts.images(class) as f64;
                let whole = images + counts.taken(class) as f64;
                if whole == 0.0 {
                    0.0
                } else {
                    (1.0 + weight) * counts.right(class) as f64 / whole
                }
            }),
            Metric::Auroc(Average::Class(class)) => self.auroc(class),
            Metric::Auroc(_) => {
                let areas: f64 = (0..self.num_classes).map(|class| self.auroc(class)).sum();
                areas / self.num_classes as f64
            }
            Metric::Confusion(cell) => {
                let (class, taken) = cell.unwrap_or_default();
                counts.cell(class, taken) as f64
            }
        }
    }

    fn rows(&self) -> impl Iterator<Item = (&[f64], usize)> {
        let targets = self.targets.iter().map(|target| *target as usize);
        self.logits.chunks_exact(self.num_classes).zip(targets)
    }

    /// Of equal logits the first counts as larger, as `argmax` has it.
    fn top_accuracy(&self, count: usize) -> f64 {
        let is_hit = |(row, target): &(&[f64], usize)| {
            let own = row[*target];
            let larger = row.iter().filter(|logit| **logit > own).count();
            let is_equal = |logit: &&f64| logit.partial_cmp(&&own) == Some(Ordering::Equal);
            let equal = row[..*target].iter().filter(is_equal).count();
            larger + equal < count
        };
        share(self.rows().filter(is_hit).count(), self.targets.len())
    }

    /// The area under the ROC curve of a class against the rest: the share of pairs in which the image of the class has the higher
    /// probability of it, pairs of equal ones by half (Hanley and `McNeil`, "The meaning and use of the area under a receiver
    /// operating characteristic (ROC) curve", 1982).
    fn auroc(&self, class: usize) -> f64 {
        let mut scores: Vec<(f64, bool)> = self
            .rows()
            .map(|(row, target)| (log_probability(row, class), target == class))
            .collect();
        scores.sort_by(|left, right| left.0.total_cmp(&right.0));
        let images = scores.iter().filter(|(_, is_own)| *is_own).count();
        let (mut pairs, mut others) = (0.0, 0);
        for equal in scores.chunk_by(|left, right| left.0.total_cmp(&right.0).is_eq()) {
            let own = equal.iter().filter(|(_, is_own)| *is_own).count();
            let other = equal.len() - own;
            pairs += own as f64 * (others as f64 + other as f64 / 2.0);
            others += other;
        }
        pairs / (images as f64 * others as f64)
    }
}

/// The logarithm of the softmax.
fn log_probability(row: &[f64], class: usize) -> f64 {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|logit| (logit - largest).exp()).sum();
    row[class] - largest - sum.ln()
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// How many images of each class are taken for each class.
struct Counts {
    /// `[num_classes, num_classes]`: by class, then by what it is taken for.
    cells: Vec<usize>,
    num_classes: usize,
}

impl Counts {
    fn of(predictions: &Predictions) -> Self {
        let num_classes = predictions.num_classes;
        let mut cells = vec![0; num_classes * num_classes];
        for (row, target) in predictions.rows() {
            // The first of the largest.
            let taken = (1..num_classes).fold(
                0,
                |best, class| {
                    if row[class] > row[best] { class } else { best }
                },
            );
            cells[target * num_classes + taken] += 1;
        }
        Self { cells, num_classes }
    }

    fn cell(&self, class: usize, taken: usize) -> usize {
        self.cells[class * self.num_classes + taken]
    }

    fn right(&self, class: usize) -> usize {
        self.cell(class, class)
    }

    fn images(&self, class: usize) -> usize {
        (0..self.num_classes)
            .map(|taken| self.cell(class, taken))
            .sum()
    }

    fn taken(&self, class: usize) -> usize {
        (0..self.num_classes)
            .map(|other| self.cell(other, class))
            .sum()
    }

    /// The average of a score of the classes. One that no image is of, and none is taken for, is left out of the mean. Each image
    /// is of one class and taken for one, so that the scores of all classes together are the share of hits.
    fn average(&self, average: Average, score: impl Fn(usize) -> f64) -> f64 {
        match average {
            Average::Class(class) => score(class),
            Average::Micro => {
                let hits = (0..self.num_classes).map(|class| self.right(class)).sum();
                share(hits, self.cells.iter().sum())
            }
            Average::Macro | Average::PerClass => {
                let occur = |class: &usize| self.images(*class) + self.taken(*class) > 0;
                let classes: Vec<usize> = (0..self.num_classes).filter(occur).collect();
                classes.iter().map(|class| score(*class)).sum::<f64>() / classes.len() as f64
            }
        }
    }
}
