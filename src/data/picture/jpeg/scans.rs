//! Whether the scans of a JPEG hold all of its pixels: decoders fill up what is missing.
//!
//! The codes are read as a decoder does it, without what they stand for. A scan must hold those of each block, and each
//! component must have a scan.

use super::super::file::{number, take};
use super::super::{Decoded, check_size};
use super::blocks::{Codes, Coding};
use super::huffman::Table;
use super::markers::{DAMAGED, MISSING, marker};

/// The components of a frame are at most this many.
const MAX_COMPONENTS: usize = 4;

/// Checks segments and scans up to the end marker, which may be followed by anything.
pub fn check(bytes: &[u8]) -> Decoded<()> {
    let mut rest = bytes;
    take(&mut rest, 2)?;
    let mut tables = Tables::default();
    let mut frame = None;
    let mut in_scan = false;
    loop {
        match marker(&mut rest)? {
            0xD9 if !in_scan => return Err("it ends before its pixels begin".into()),
            0xD9 if frame.as_ref().is_none_or(Frame::is_complete) => return Ok(()),
            0xD9 => return Err(MISSING.into()),
            // Stuffed, or without a length.
            0x00 | 0x01 | 0xD0..=0xD8 => {}
            kind => {
                let length = number(take(&mut rest, 2)?);
                let segment = take(&mut rest, length.saturating_sub(2))?;
                match kind {
                    0xC0..=0xC2 => frame = Frame::of(segment, kind == 0xC2),
                    0xC4 => tables.add(segment)?,
                    0xDD => tables.restart = number(segment.get(..2).ok_or(DAMAGED)?),
                    0xDA => {
                        in_scan = true;
                        if let Some(frame) = &mut frame {
                            rest = frame.scan(segment, &tables, rest)?;
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// What scans need that comes before them.
#[derive(Default)]
struct Tables {
    dc: [Option<Table>; 4],
    ac: [Option<Table>; 4],
    /// MCUs between two restart markers; 0 for none.
    restart: usize,
}

impl Tables {
    fn add(&mut self, mut segment: &[u8]) -> Decoded<()> {
        while !segment.is_empty() {
            let head = take(&mut segment, 1)?[0];
            let counts = take(&mut segment, 16)?;
            let count = counts.iter().map(|count| usize::from(*count)).sum();
            let table = Table::new(counts, take(&mut segment, count)?);
            let kind = if head & 0x10 == 0 {
                &mut self.dc
            } else {
                &mut self.ac
            };
            kind[usize::from(head & 3)] = Some(table.ok_or(DAMAGED)?);
        }
        Ok(())
    }
}

/// A picture before its scans, and how far they have come.
struct Frame {
    progressive: bool,
    components: Vec<Component>,
    /// MCUs to a row, and rows, where a scan has several components.
    mcus: (usize, usize),
}

struct Component {
    id: u8,
    /// Blocks of an MCU of several components, across and down.
    factors: (usize, usize),
    /// Blocks to a row, and rows, where it is alone in a scan.
    blocks: (usize, usize),
    /// The bit down to which each coefficient has come; none before its first scan.
    low: [Option<u8>; 64],
    /// For each block of a progressive frame, a bit for each coefficient that is not zero so far.
    nonzero: Vec<u64>,
}

impl Frame {
    /// The frame; `None` where the decoder refuses it.
    fn of(segment: &[u8], progressive: bool) -> Option<Self> {
        let (head, components) = segment.split_at_checked(6)?;
        let (height, width) = (number(&head[1..3]), number(&head[3..5]));
        let (components, _) = components.as_chunks::<3>();
        let count = components.len();
        if head[0] != 8 || count != usize::from(head[5]) || count > MAX_COMPONENTS {
            return None;
        }
        check_size(width as u32, height as u32).ok()?;
        let factors = |[_, both, _]: &[u8; 3]| (usize::from(both >> 4), usize::from(both & 0x0F));
        let valid = |one| matches!(factors(one), (1..=4, 1..=4));
        if !components.iter().all(valid) {
            return None;
        }
        let across = 8 * components.iter().map(|one| factors(one).0).max()?;
        let down = 8 * components.iter().map(|one| factors(one).1).max()?;
        let mcus = (width.div_ceil(across), height.div_ceil(down));
        let component = |one: &[u8; 3]| {
            let (horizontal, vertical) = factors(one);
            let padded = mcus.0 * horizontal * mcus.1 * vertical;
            Component {
                id: one[0],
                factors: (horizontal, vertical),
                blocks: (
                    (width * horizontal).div_ceil(across),
                    (height * vertical).div_ceil(down),
                ),
                low: [None; 64],
                nonzero: vec![0; if progressive { padded } else { 0 }],
            }
        };
        Some(Self {
            progressive,
            components: components.iter().map(component).collect(),
            mcus,
        })
    }

    /// Whether there was a scan of each component, and what was begun has come to its last bit.
    fn is_complete(&self) -> bool {
        self.components.iter().all(|one| {
            one.low[0].is_some() && one.low.iter().all(|low| low.is_none_or(|low| low == 0))
        })
    }

    /// Reads the codes of the scan with this header, and returns what follows them.
    fn scan<'a>(
        &mut self,
        mut header: &[u8],
        tables: &Tables,
        bytes: &'a [u8],
    ) -> Decoded<&'a [u8]> {
        let count = usize::from(take(&mut header, 1)?[0]);
        let (chosen, _) = take(&mut header, 2 * count)?.as_chunks::<2>();
        let coding = Coding::of(take(&mut header, 3)?, self.progressive)?;
        let mut parts = Vec::new();
        for [id, numbers] in chosen {
            let place = self.components.iter().position(|one| one.id == *id);
            let place = place.ok_or(DAMAGED)?;
            self.components[place].advance(&coding)?;
            let dc = tables.dc[usize::from(numbers >> 4 & 3)].as_ref();
            let ac = tables.ac[usize::from(numbers & 3)].as_ref();
            if (dc.is_none() && coding.takes_dc()) || (ac.is_none() && coding.takes_ac()) {
                // A frame of a film: the decoder has its tables.
                return Ok(bytes);
            }
            parts.push((place, (dc, ac)));
        }
        let alone = parts.len() == 1;
        let (across, down) = match parts[..] {
            [] => return Err(DAMAGED.into()),
            [(place, _)] => self.components[place].blocks,
            _ => self.mcus,
        };
        let mut codes = Codes::new(bytes);
        for row in 0..down {
            for column in 0..across {
                let done = row * across + column;
                if done > 0 && tables.restart > 0 && done.is_multiple_of(tables.restart) {
                    codes.restart(done / tables.restart)?;
                }
                for (place, tables) in &parts {
                    let component = &mut self.components[*place];
                    let stride = self.mcus.0 * component.factors.0;
                    let (wide, high) = if alone { (1, 1) } else { component.factors };
                    for y in row * high..(row + 1) * high {
                        for x in column * wide..(column + 1) * wide {
                            let mut unused = 0;
                            let nonzero = component.nonzero.get_mut(y * stride + x);
                            codes
                                .block(&coding, *tables, nonzero.unwrap_or(&mut unused))
                                .map_err(|fault| codes.sentence(&fault))?;
                        }
                    }
                }
            }
        }
        codes.finish()
    }
}

impl Component {
    /// Notes that a scan holds coefficients; it must go on where the one before it ended.
    fn advance(&mut self, coding: &Coding) -> Decoded<()> {
        for low in &mut self.low[usize::from(coding.first)..=usize::from(coding.last)] {
            let begun = low.is_some();
            if low.unwrap_or(0) != coding.high || (begun && coding.high == 0) {
                return Err(MISSING.into());
            }
            *low = Some(coding.low);
        }
        Ok(())
    }
}
