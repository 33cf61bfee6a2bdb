//! Little-endian numbers in bytes that are long enough for them.

pub(super) fn u16(bytes: &[u8], at: usize) -> u16 {
    of(bytes, at, u16::from_le_bytes)
}

pub(super) fn u32(bytes: &[u8], at: usize) -> u32 {
    of(bytes, at, u32::from_le_bytes)
}

pub(super) fn u64(bytes: &[u8], at: usize) -> u64 {
    of(bytes, at, u64::from_le_bytes)
}

fn of<const N: usize, T>(bytes: &[u8], at: usize, number: impl Fn([u8; N]) -> T) -> T {
    let field = bytes[at..].first_chunk::<N>();
    number(*field.expect("callers have checked the length"))
}
