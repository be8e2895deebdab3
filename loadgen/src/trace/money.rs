//! Exact decimal numbers from text: prices to whole cents and quantities to whole pieces, never through floating
//! point: a bill must equal the sum of its products' prices to the cent.

/// A decimal number as written: `mantissa / 10^decimals`.
struct Decimal {
    mantissa: i128,
    decimals: u32,
}

/// More digits than any price has; keeps every product below in `i128`.
const DIGITS_MAX: usize = 24;

/// The highest readable price, in cents: no shop has higher ones, and sums stay within `i128`.
pub(super) const PRICE_CENTS_MAX: i64 = 1_000_000_000_000;

/// A unit price in cents: `text × scale`, rounded half away from zero. `None` if it is no number or too large.
pub(super) fn price_cents(text: &str, scale: u32, separator: char) -> Option<i64> {
    let Decimal { mantissa, decimals } = decimal(text, separator)?;
    let divisor = 10_i128.pow(decimals);
    let scaled = mantissa * i128::from(scale);
    let (whole, rest) = (scaled / divisor, scaled % divisor);
    let away = if rest.abs() * 2 >= divisor {
        rest.signum()
    } else {
        0
    };
    let cents = i64::try_from(whole + away).ok()?;
    (cents.abs() <= PRICE_CENTS_MAX).then_some(cents)
}

/// A quantity: a whole number, which may be written `6` or `6.00`. `None` if it is anything else.
pub(super) fn pieces(text: &str, separator: char) -> Option<i64> {
    let Decimal { mantissa, decimals } = decimal(text, separator)?;
    let divisor = 10_i128.pow(decimals);
    if mantissa % divisor != 0 {
        return None;
    }
    i64::try_from(mantissa / divisor).ok()
}

/// `[+-]digits[separator digits]`, with a digit on at least one side of the separator.
fn decimal(text: &str, separator: char) -> Option<Decimal> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = unsigned.split_once(separator).unwrap_or((unsigned, ""));
    let digits = whole.len() + fraction.len();
    if digits == 0 || digits > DIGITS_MAX {
        return None;
    }
    let mut mantissa: i128 = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        mantissa = mantissa * 10 + i128::from(byte - b'0');
    }
    Some(Decimal {
        mantissa: if negative { -mantissa } else { mantissa },
        decimals: u32::try_from(fraction.len()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_become_exact_cents_rounded_half_away_from_zero() {
        let cases = [
            ("2.55", 100, Some(255)),
            ("1.15", 100, Some(115)), // 114.999… through a double
            ("8.165", 100, Some(817)),
            ("0.004", 100, Some(0)),
            ("0.005", 100, Some(1)),
            ("-0.005", 100, Some(-1)),
            ("-2.554", 100, Some(-255)),
            ("607.49", 100, Some(60_749)),
            ("3", 100, Some(300)),
            (".5", 100, Some(50)),
            ("5.", 100, Some(500)),
            ("+1.1", 100, Some(110)),
            ("1.2345", 1_000, Some(1_235)),
            ("199", 1, Some(199)),
            ("10000000000.00", 100, Some(PRICE_CENTS_MAX)),
            ("10000000000.01", 100, None),
            ("0000000000000000000000000001", 100, None),
            ("", 100, None),
            (".", 100, None),
            ("-", 100, None),
            ("1,5", 100, None),
            ("1e3", 100, None),
            ("NaN", 100, None),
            ("£2.55", 100, None),
            ("--1", 100, None),
            ("1.2.3", 100, None),
        ];

        for (text, scale, expected) in cases {
            assert_eq!(price_cents(text, scale, '.'), expected, "{text:?}");
        }
        assert_eq!(price_cents("2,55", 100, ','), Some(255));
    }

    #[test]
    fn quantities_are_whole_numbers() {
        let cases = [
            ("6", Some(6)),
            ("-24", Some(-24)),
            ("6.00", Some(6)),
            ("0", Some(0)),
            ("1.5", None),
            ("six", None),
            ("", None),
            ("99999999999999999999", None),
        ];

        for (text, expected) in cases {
            assert_eq!(pieces(text, '.'), expected, "{text:?}");
        }
    }
}
