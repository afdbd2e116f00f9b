//! Huffman codes of a JPEG, as its scans hold them.

/// Bits that are looked up at once; most codes are no longer.
const FAST: u32 = 9;

/// A table of codes, each for a symbol of 8 bits.
pub struct Table {
    /// For the first 9 bits of a code: its length and its symbol; 0 where it is longer.
    fast: Box<[(u8, u8); 1 << FAST]>,
    /// For each length, the first code above those of it, made to 16 bits.
    above: [u32; 17],
    /// For each length, what the place of a symbol is above its code.
    offset: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// The table with this many codes of 1 to 16 bits; `None` where so many codes can't be.
    pub fn new(counts: &[u8], symbols: &[u8]) -> Option<Self> {
        let mut fast = Box::new([(0, 0); 1 << FAST]);
        let (mut above, mut offset) = ([0; 17], [0; 17]);
        let (mut code, mut place) = (0_u32, 0);
        for (length, count) in (1..=16_u32).zip(counts) {
            offset[length as usize] = place as i32 - code as i32;
            for _ in 0..*count {
                let symbol = *symbols.get(place)?;
                if code >= 1 << length {
                    return None;
                }
                if length <= FAST {
                    let first = (code << (FAST - length)) as usize;
                    fast[first..first + (1 << (FAST - length))].fill((length as u8, symbol));
                }
                code += 1;
                place += 1;
            }
            above[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Some(Self {
            fast,
            above,
            offset,
            symbols: symbols.to_vec(),
        })
    }

    /// The symbol whose code these 16 bits begin with, and the length of the code.
    fn symbol(&self, bits: u32) -> Option<(u8, u32)> {
        let (length, symbol) = self.fast[(bits >> (16 - FAST)) as usize];
        if length > 0 {
            return Some((symbol, u32::from(length)));
        }
        let length = (FAST + 1..=16).find(|length| bits < self.above[*length as usize])?;
        let place = (bits >> (16 - length)) as i32 + self.offset[length as usize];
        Some((*self.symbols.get(place as usize)?, length))
    }
}

/// Why no code could be read.
pub enum Fault {
    /// There is a marker, or the file ends.
    Ended,
    /// The next bits are no code.
    Unknown,
}

/// The bits up to the next marker, from the most significant one of each byte.
pub struct Bits<'a> {
    rest: &'a [u8],
    /// Bits that are read but not used, the next one on top.
    buffer: u64,
    count: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            buffer: 0,
            count: 0,
        }
    }

    /// Reads until there are 32 bits, or all there are.
    fn fill(&mut self) {
        if let Some(next) = self.rest.first_chunk::<4>()
            && self.count <= 32
            && !next.contains(&0xFF)
        {
            self.buffer |= u64::from(u32::from_be_bytes(*next)) << (32 - self.count);
            self.count += 32;
            self.rest = &self.rest[4..];
            return;
        }
        while self.count <= 56 {
            let [byte, rest @ ..] = self.rest else { return };
            let mut rest = rest;
            if *byte == 0xFF {
                // A stuffed byte follows one of the data; anything else is a marker.
                let [0, after @ ..] = rest else { return };
                rest = after;
            }
            self.buffer |= u64::from(*byte) << (56 - self.count);
            self.count += 8;
            self.rest = rest;
        }
    }

    fn use_up(&mut self, count: u32) -> Result<(), Fault> {
        if count > self.count {
            return Err(Fault::Ended);
        }
        self.buffer <<= count;
        self.count -= count;
        Ok(())
    }

    /// A number of at most 16 bits.
    pub fn number(&mut self, count: u32) -> Result<u32, Fault> {
        if self.count < count {
            self.fill();
        }
        let number = self.buffer.checked_shr(64 - count).unwrap_or(0);
        self.use_up(count)?;
        Ok(number as u32)
    }

    /// The symbol of the next code.
    pub fn symbol(&mut self, table: &Table) -> Result<u8, Fault> {
        if self.count < 16 {
            self.fill();
        }
        let Some((symbol, length)) = table.symbol((self.buffer >> 48) as u32) else {
            // What is left before a marker are ones, which are no code.
            let fault = if self.count < 16 {
                Fault::Ended
            } else {
                Fault::Unknown
            };
            return Err(fault);
        };
        self.use_up(length)?;
        Ok(symbol)
    }

    /// Passes over the number of so many bits that follows a code.
    pub fn skip(&mut self, count: u8) -> Result<(), Fault> {
        if self.count < u32::from(count) {
            self.fill();
        }
        self.use_up(u32::from(count))
    }

    /// What follows the bits, and whether all are used up but those that fill the last byte.
    ///
    /// Some cameras fill up with more, with bytes of zeros or of ones.
    pub fn end(&mut self) -> (&'a [u8], bool) {
        let mut is_used_up = true;
        let filling = self.count % 8;
        self.buffer <<= filling;
        self.count -= filling;
        loop {
            while self.count > 0 {
                is_used_up &= matches!(self.buffer >> 56, 0 | 0xFF);
                self.buffer <<= 8;
                self.count -= 8;
            }
            self.fill();
            if self.count == 0 {
                return (self.rest, is_used_up);
            }
        }
    }
}
