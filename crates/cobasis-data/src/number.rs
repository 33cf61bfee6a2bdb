//! Numbers for people.

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number in few characters, up to `digits` significant digits: `0.0123`, `2.5×10⁻⁵`, `1.2M`.
pub fn compact(number: f64, digits: usize) -> String {
    let size = number.abs();
    if !number.is_finite() {
        return "no number".to_string();
    }
    if size == 0.0 {
        return "0".to_string();
    }
    let of = |unit: f64, name: &str| format!("{}{name}", significant(number / unit, digits));
    match size {
        1e9.. => of(1e9, "G"),
        1e6.. => of(1e6, "M"),
        1e4.. => of(1e3, "k"),
        1e-3.. => significant(number, digits),
        _ => {
            let text = format!("{number:.*e}", digits.saturating_sub(1));
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let power = format!("10{}", exponent.chars().map(superscript).collect::<String>());
            match trimmed(mantissa) {
                "1" => power,
                mantissa => format!("{mantissa}×{power}").replace('-', "−"),
            }
        }
    }
}

/// A number of bytes in binary units.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0x4000_0000.. => format!("{:.2} GiB", bytes as f64 / f64::from(1 << 30)),
        0x10_0000.. => format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)),
        _ => format!("{} bytes", grouped(bytes)),
    }
}

/// Seconds as a person tells them.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round().max(0.0) as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

fn significant(number: f64, digits: usize) -> String {
    let before = number.abs().log10().floor() as i32 + 1;
    let decimals = (digits as i32 - before).max(0) as usize;
    trimmed(&format!("{number:.decimals$}")).replace('-', "−")
}

/// Without the zeros that a fraction ends in.
fn trimmed(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

fn superscript(digit: char) -> char {
    match digit {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        _ => digit.to_digit(10).and_then(|d| char::from_u32(0x2070 + d)).unwrap_or(digit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        assert_eq!([0, 999, 1000, 1234567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn numbers_are_short() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.25, "−0.25"),
            (0.1 + 0.2, "0.3"),
            (98.888888, "98.89"),
            (1234.0, "1234"),
            (160_466.0, "160.5k"),
            (2.5e6, "2.5M"),
            (1e-5, "10⁻⁵"),
            (6.28e-5, "6.28×10⁻⁵"),
            (-2e-12, "−2×10⁻¹²"),
            (f64::NAN, "no number"),
        ] {
            assert_eq!(compact(number, 4), expected);
        }
    }

    #[test]
    fn sizes_and_times_have_units() {
        assert_eq!([5, 3 << 20, 3 << 29].map(bytes), ["5 bytes", "3 MiB", "1.50 GiB"]);
        assert_eq!([2.04, 75.4, 7260.0].map(duration), ["2.0 s", "1 min 15 s", "2 h 1 min"]);
    }
}
