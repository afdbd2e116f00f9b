//! The header of a NumPy array file (numpy.org, "numpy.lib.format"): a Python dictionary as text.

use super::state::Tensor;

/// Largest header that is read: that of an array of numbers takes 128 bytes.
const MAX_HEADER_BYTES: usize = 4096;
const MAGIC: &[u8] = b"\x93NUMPY";

/// What an array file says of its numbers.
#[derive(Debug, PartialEq)]
pub(super) struct Header {
    /// NumPy's word for the type, as in `<f4`.
    pub descr: String,
    /// Whether the first dimension is fastest.
    pub fortran_order: bool,
    pub shape: Vec<usize>,
}

/// The bytes before the numbers: enough of them to tell the header's length, and then the header.
pub(super) const PREFIX_BYTES: usize = 12;

/// The file of one array.
pub(super) fn encode(tensor: &Tensor) -> Vec<u8> {
    let sizes: Vec<String> = tensor.shape.iter().map(ToString::to_string).collect();
    // A tuple of one element needs its comma.
    let comma = if sizes.len() == 1 { "," } else { "" };
    let mut text = format!(
        "{{'descr': '<f4', 'fortran_order': False, 'shape': ({}{comma}), }}",
        sizes.join(", ")
    );
    // The numbers start at a multiple of 64, and a line feed ends the header.
    let start = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64);
    text.extend(std::iter::repeat_n(
        ' ',
        start - MAGIC.len() - 4 - text.len() - 1,
    ));
    text.push('\n');
    let mut bytes = Vec::with_capacity(start + 4 * tensor.values.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&(text.len() as u16).to_le_bytes());
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend(tensor.bytes());
    bytes
}

/// Where the header's text starts and where it ends, of a file that begins with `prefix`.
pub(super) fn extent(prefix: &[u8; PREFIX_BYTES]) -> Result<(usize, usize), String> {
    if !prefix.starts_with(MAGIC) {
        return Err("expected a NumPy array, found something else".into());
    }
    let (start, length) = match prefix[6] {
        1 => (10, usize::from(u16::from_le_bytes([prefix[8], prefix[9]]))),
        2 | 3 => {
            let length = [prefix[8], prefix[9], prefix[10], prefix[11]];
            (12, u32::from_le_bytes(length) as usize)
        }
        version => {
            return Err(format!(
                "expected version 1, 2 or 3 of NumPy's format, found {version}"
            ));
        }
    };
    if length > MAX_HEADER_BYTES {
        return Err(format!(
            "expected a header of at most {MAX_HEADER_BYTES} bytes, found {length}"
        ));
    }
    Ok((start, start + length))
}

/// Reads the text of a header.
pub(super) fn parse(text: &[u8]) -> Result<Header, String> {
    let mut parser = Parser { rest: text };
    parser.header().ok_or_else(|| {
        let shown: String = String::from_utf8_lossy(text).chars().take(60).collect();
        format!("expected {{'descr': ..., 'fortran_order': ..., 'shape': ...}}, found {shown:?}")
    })
}

struct Parser<'a> {
    rest: &'a [u8],
}

impl Parser<'_> {
    fn header(&mut self) -> Option<Header> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.symbol(b'{')?;
        while self.symbol(b'}').is_none() {
            let key = self.string()?;
            self.symbol(b':')?;
            // A key that is there twice is refused: readers differ in which one they take.
            let fresh = match key.as_str() {
                "descr" => descr.replace(self.string()?).is_none(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_none(),
                "shape" => shape.replace(self.tuple()?).is_none(),
                _ => false,
            };
            if !fresh {
                return None;
            }
            if self.symbol(b',').is_none() {
                self.symbol(b'}')?;
                break;
            }
        }
        self.skip_space();
        self.rest.is_empty().then_some(())?;
        Some(Header {
            descr: descr?,
            fortran_order: fortran_order?,
            shape: shape?,
        })
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    fn symbol(&mut self, symbol: u8) -> Option<()> {
        self.skip_space();
        self.rest = self.rest.strip_prefix(&[symbol])?;
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        self.skip_space();
        let (quote, rest) = self.rest.split_first()?;
        if !matches!(quote, b'\'' | b'"') {
            return None;
        }
        let end = rest.iter().position(|byte| byte == quote)?;
        let text = std::str::from_utf8(&rest[..end]).ok()?;
        self.rest = &rest[end + 1..];
        Some(text.to_owned())
    }

    fn boolean(&mut self) -> Option<bool> {
        self.skip_space();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word.as_bytes()) {
                self.rest = rest;
                return Some(value);
            }
        }
        None
    }

    fn tuple(&mut self) -> Option<Vec<usize>> {
        let mut sizes = Vec::new();
        self.symbol(b'(')?;
        while self.symbol(b')').is_none() {
            sizes.push(self.number()?);
            if self.symbol(b',').is_none() {
                self.symbol(b')')?;
                break;
            }
        }
        Some(sizes)
    }

    fn number(&mut self) -> Option<usize> {
        self.skip_space();
        let digits = self
            .rest
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let (digits, rest) = self.rest.split_at(digits);
        self.rest = rest;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_numpy_are_read() {
        let text = b"{'descr': '>f8', 'fortran_order': True, 'shape': (16, 8, 3, 3), }    \n";
        let expected = Header {
            descr: ">f8".into(),
            fortran_order: true,
            shape: vec![16, 8, 3, 3],
        };
        assert_eq!(parse(text).unwrap(), expected);
        let scalar = parse(b"{'shape': (), 'fortran_order': False, 'descr': '|u1'}").unwrap();
        assert_eq!(scalar.shape, Vec::<usize>::new());
    }

    #[test]
    fn anything_but_a_header_is_refused() {
        for text in [
            "",
            "{",
            "{}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (8)",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-8,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (8,), }",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (8,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (8,), } x",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
