//! A grey picture as real numbers, and what is done to one to find its strokes.

/// Grey values, row by row.
#[derive(Clone, Debug)]
pub(super) struct Plane {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

/// Columns and rows of a picture: the first ones, and those behind the last ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Area {
    pub fn width(&self) -> usize {
        self.right - self.left
    }

    pub fn height(&self) -> usize {
        self.bottom - self.top
    }

    pub fn longer(&self) -> usize {
        self.width().max(self.height())
    }

    /// The smallest area that holds both.
    pub fn with(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

impl Plane {
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), width * height);
        Self {
            width,
            height,
            values,
        }
    }

    pub fn longer(&self) -> usize {
        self.width.max(self.height)
    }

    pub fn map(&self, change: impl Fn(f32) -> f32) -> Self {
        let values = self.values.iter().map(|value| change(*value)).collect();
        Self::new(self.width, self.height, values)
    }

    /// Joins the values of two pictures of one size.
    pub fn zip(&self, other: &Self, join: impl Fn(f32, f32) -> f32) -> Self {
        let pairs = self.values.iter().zip(&other.values);
        let values = pairs.map(|(one, other)| join(*one, *other)).collect();
        Self::new(self.width, self.height, values)
    }

    pub fn crop(&self, area: Area) -> Self {
        let rows = self.values.chunks_exact(self.width);
        let rows = rows.skip(area.top).take(area.height());
        let values = rows.flat_map(|row| &row[area.left..area.right]).copied();
        Self::new(area.width(), area.height(), values.collect())
    }

    fn transposed(&self) -> Self {
        let values = (0..self.width)
            .flat_map(|column| self.values.iter().skip(column).step_by(self.width))
            .copied()
            .collect();
        Self::new(self.height, self.width, values)
    }

    /// Does the same to each row, which becomes `width` long; `work` is given a row and where its result goes.
    fn by_rows(&self, width: usize, work: impl Fn(&[f32], &mut [f32])) -> Self {
        let mut values = vec![0.0; width * self.height];
        let rows = self.values.chunks_exact(self.width);
        for (row, result) in rows.zip(values.chunks_exact_mut(width)) {
            work(row, result);
        }
        Self::new(width, self.height, values)
    }

    /// Does the same to each row and then to each column.
    fn by_lines(&self, work: impl Fn(&[f32], &mut [f32])) -> Self {
        let rows = self.by_rows(self.width, &work).transposed();
        rows.by_rows(self.height, &work).transposed()
    }

    /// The mean of a square around each value; beyond the border there is nothing.
    pub fn blurred(&self, radius: usize) -> Self {
        self.by_lines(|line, result| {
            let mut sums = vec![0.0_f64];
            let mut sum = 0.0;
            for value in line {
                sum += f64::from(*value);
                sums.push(sum);
            }
            for (position, result) in result.iter_mut().enumerate() {
                let first = position.saturating_sub(radius);
                let end = (position + radius + 1).min(line.len());
                *result = ((sums[end] - sums[first]) / (end - first) as f64) as f32;
            }
        })
    }

    /// The least or the largest value of a square around each value.
    fn extreme(&self, radius: usize, choose: fn(f32, f32) -> f32) -> Self {
        self.by_lines(|line, result| {
            for (position, result) in result.iter_mut().enumerate() {
                let first = position.saturating_sub(radius);
                let end = (position + radius + 1).min(line.len());
                let values = line[first + 1..end].iter();
                *result = values.fold(line[first], |found, value| choose(found, *value));
            }
        })
    }

    /// What is left when light parts are taken away that are narrower than a square of this radius.
    pub fn opened(&self, radius: usize) -> Self {
        self.extreme(radius, f32::min).extreme(radius, f32::max)
    }

    /// The largest value of a disc around each value; with a negative radius the least.
    pub fn grown(&self, radius: f32) -> Self {
        let choose = if radius < 0.0 { f32::min } else { f32::max };
        let radius = radius.abs();
        let reach = radius.floor() as isize;
        let disc: Vec<(isize, isize)> = (-reach..=reach)
            .flat_map(|y| (-reach..=reach).map(move |x| (x, y)))
            .filter(|(x, y)| ((x * x + y * y) as f32) <= radius * radius)
            .collect();
        let mut values = Vec::with_capacity(self.values.len());
        for y in 0..self.height as isize {
            for x in 0..self.width as isize {
                let around = disc
                    .iter()
                    .map(|(right, down)| self.at(x + right, y + down));
                values.push(around.fold(self.at(x, y), choose));
            }
        }
        Self::new(self.width, self.height, values)
    }

    /// The value at a position, 0 beyond the border.
    pub fn at(&self, x: isize, y: isize) -> f32 {
        let inside = |value: isize, end: usize| usize::try_from(value).ok().filter(|v| *v < end);
        match (inside(x, self.width), inside(y, self.height)) {
            (Some(x), Some(y)) => self.values[y * self.width + x],
            _ => 0.0,
        }
    }

    /// The picture in another size, by a triangle filter as wide as what falls together.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let rows = self.by_rows(width, resize).transposed();
        rows.by_rows(height, resize).transposed()
    }
}

/// Resizes a line by a triangle filter.
fn resize(line: &[f32], result: &mut [f32]) {
    let scale = line.len() as f32 / result.len() as f32;
    let reach = scale.max(1.0);
    for (position, result) in result.iter_mut().enumerate() {
        // Where the middle of the new value lies between the middles of the old ones.
        let middle = (position as f32 + 0.5) * scale - 0.5;
        let first = (middle - reach).ceil().max(0.0) as usize;
        let last = ((middle + reach).floor() as usize).min(line.len() - 1);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (offset, value) in line[first..=last].iter().enumerate() {
            let weight = (1.0 - ((first + offset) as f32 - middle).abs() / reach).max(0.0);
            sum += weight * value;
            weights += weight;
        }
        *result = sum / weights;
    }
}
