//! Numbers in either order of bytes and either size.

use super::{Class, Order};

/// How numbers are written in one file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Layout {
    pub class: Class,
    pub order: Order,
}

impl Layout {
    /// The first in a file of 32 bits, the second in one of 64.
    pub(crate) fn pick<T>(self, bits32: T, bits64: T) -> T {
        match self.class {
            Class::Bits32 => bits32,
            Class::Bits64 => bits64,
        }
    }

    /// A number of `size` bytes, at most 8; bytes that are not there count as zero.
    fn number(self, bytes: &[u8], offset: usize, size: usize) -> u64 {
        let field = bytes.get(offset..).unwrap_or_default();
        let field = field.get(..size).unwrap_or_default().iter();
        let add = |sum, byte: &u8| (sum << 8) | u64::from(*byte);
        match self.order {
            Order::Little => field.rev().fold(0, add),
            Order::Big => field.fold(0, add),
        }
    }

    /// Two bytes. Offsets here and below: in a file of 32 bits, and in one of 64.
    pub(crate) fn half(self, bytes: &[u8], bits32: usize, bits64: usize) -> u16 {
        u16::try_from(self.number(bytes, self.pick(bits32, bits64), 2)).unwrap_or_default()
    }

    /// Four bytes.
    pub(crate) fn word(self, bytes: &[u8], bits32: usize, bits64: usize) -> u32 {
        u32::try_from(self.number(bytes, self.pick(bits32, bits64), 4)).unwrap_or_default()
    }

    /// As many bytes as an address has.
    pub(crate) fn address(self, bytes: &[u8], bits32: usize, bits64: usize) -> u64 {
        self.sized(bytes, self.pick(bits32, bits64), self.pick(4, 8))
    }

    /// `size` bytes.
    pub(crate) fn sized(self, bytes: &[u8], offset: usize, size: usize) -> u64 {
        self.number(bytes, offset, size.min(8))
    }
}

/// What comes before the first NUL byte; `None`: there is none.
pub(crate) fn cut_at_nul(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..bytes.iter().position(|byte| *byte == 0)?)
}
