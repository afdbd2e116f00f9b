//! The codes of the blocks of a scan.

use super::super::Decoded;
use super::super::file::CUT;
use super::huffman::{Bits, Fault, Table};
use super::markers::{DAMAGED, MISSING, marker};

/// What the codes of a scan stand for.
pub struct Coding {
    pub progressive: bool,
    /// The coefficients, in the order of a zigzag: the first and the last.
    pub first: u8,
    pub last: u8,
    /// The bit down to which the scan before came; 0 where there is none.
    pub high: u8,
    /// The bit down to which this one comes.
    pub low: u8,
}

impl Coding {
    /// What the end of the header of a scan says.
    pub fn of(header: &[u8], progressive: bool) -> Decoded<Self> {
        let [first, last, bits] = *header else {
            return Err(DAMAGED.into());
        };
        let (first, last, bits) = if progressive {
            (first, last, bits)
        } else {
            (0, 63, 0)
        };
        let mixed = progressive && first == 0 && last > 0;
        if first > last || last > 63 || mixed {
            return Err(DAMAGED.into());
        }
        Ok(Self {
            progressive,
            first,
            last,
            high: bits >> 4,
            low: bits & 0x0F,
        })
    }

    /// Whether a block begins with a code for its mean.
    pub fn takes_dc(&self) -> bool {
        self.first == 0 && self.high == 0
    }

    /// Whether a block has codes for other coefficients.
    pub fn takes_ac(&self) -> bool {
        self.last > 0
    }
}

/// The tables of a component: for the mean of a block, and for its other coefficients.
pub type Pair<'a> = (Option<&'a Table>, Option<&'a Table>);

/// The codes of a scan.
pub struct Codes<'a> {
    bits: Bits<'a>,
    /// Blocks to come that have no further code in this scan.
    run: u32,
}

impl<'a> Codes<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bits: Bits::new(bytes),
            run: 0,
        }
    }

    /// Reads the codes of a block. `nonzero` has a bit for each of its coefficients that is not zero so far.
    pub fn block(
        &mut self,
        coding: &Coding,
        (dc, ac): Pair<'_>,
        nonzero: &mut u64,
    ) -> Result<(), Fault> {
        if coding.first == 0 {
            match dc {
                _ if coding.high > 0 => self.bits.skip(1)?,
                Some(table) => {
                    let size = self.bits.symbol(table)?;
                    if size > 11 {
                        return Err(Fault::Unknown);
                    }
                    self.bits.skip(size)?;
                }
                None => return Err(Fault::Unknown),
            }
        }
        match ac {
            _ if coding.last == 0 => Ok(()),
            None => Err(Fault::Unknown),
            Some(table) if !coding.progressive => self.others(table),
            Some(table) if coding.high == 0 => self.others_begun(coding, table, nonzero),
            Some(table) => self.others_refined(coding, table, nonzero),
        }
    }

    fn others(&mut self, table: &Table) -> Result<(), Fault> {
        let mut place = 1;
        while place < 64 {
            let symbol = self.bits.symbol(table)?;
            match (symbol >> 4, symbol & 0x0F) {
                (15, 0) => place += 16,
                (_, 0) => break,
                (zeros, size) => {
                    place += u32::from(zeros) + 1;
                    if place > 64 {
                        return Err(Fault::Unknown);
                    }
                    self.bits.skip(size)?;
                }
            }
        }
        Ok(())
    }

    fn others_begun(
        &mut self,
        coding: &Coding,
        table: &Table,
        nonzero: &mut u64,
    ) -> Result<(), Fault> {
        if self.run > 0 {
            self.run -= 1;
            return Ok(());
        }
        let mut place = coding.first;
        while place <= coding.last {
            let symbol = self.bits.symbol(table)?;
            match (symbol >> 4, symbol & 0x0F) {
                (15, 0) => place += 16,
                (length, 0) => {
                    self.run = self.run_of(length)? - 1;
                    break;
                }
                (zeros, size) => {
                    place += zeros;
                    if place > coding.last {
                        return Err(Fault::Unknown);
                    }
                    self.bits.skip(size)?;
                    *nonzero |= 1 << place;
                    place += 1;
                }
            }
        }
        Ok(())
    }

    /// A bit for each coefficient that is not zero already, and codes for those that become so.
    fn others_refined(
        &mut self,
        coding: &Coding,
        table: &Table,
        nonzero: &mut u64,
    ) -> Result<(), Fault> {
        let mut place = coding.first;
        while self.run == 0 && place <= coding.last {
            let symbol = self.bits.symbol(table)?;
            let (mut zeros, size) = (symbol >> 4, symbol & 0x0F);
            match (zeros, size) {
                (15, 0) => {}
                (length, 0) => {
                    self.run = self.run_of(length)?;
                    break;
                }
                (_, 1) => self.bits.skip(1)?,
                _ => return Err(Fault::Unknown),
            }
            while place <= coding.last {
                if *nonzero >> place & 1 == 1 {
                    self.bits.skip(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                place += 1;
            }
            if size == 1 {
                if place > coding.last {
                    return Err(Fault::Unknown);
                }
                *nonzero |= 1 << place;
            }
            place += 1;
        }
        if self.run > 0 {
            for place in place..=coding.last {
                self.bits.skip((*nonzero >> place & 1) as u8)?;
            }
            self.run -= 1;
        }
        Ok(())
    }

    /// How many blocks have no further code, this one included.
    fn run_of(&mut self, length: u8) -> Result<u32, Fault> {
        Ok((1 << length) + self.bits.number(u32::from(length))?)
    }

    /// Passes over the restart marker with this number, from 1 up.
    pub fn restart(&mut self, number: usize) -> Decoded<()> {
        let mut rest = self.finish()?;
        if marker(&mut rest)? != 0xD0 + ((number - 1) % 8) as u8 {
            return Err(MISSING.into());
        }
        self.bits = Bits::new(rest);
        Ok(())
    }

    /// What follows the codes: nothing may be left but what fills up.
    pub fn finish(&mut self) -> Decoded<&'a [u8]> {
        let (rest, is_used_up) = self.bits.end();
        if self.run > 0 || !is_used_up {
            return Err(DAMAGED.into());
        }
        Ok(rest)
    }

    /// Why a block could not be read.
    pub fn sentence(&mut self, fault: &Fault) -> &'static str {
        match fault {
            Fault::Ended if self.bits.end().0.is_empty() => CUT,
            Fault::Ended => MISSING,
            Fault::Unknown => DAMAGED,
        }
    }
}
