//! Amounts in words.

/// Currencies without minor units in Stripe's API. Stripe counts `isk` and `ugx` in hundredths in spite of ISO 4217.
const ZERO_DECIMAL: [&str; 15] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
];
/// Currencies with thousandths.
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
/// Signs that nobody takes for another currency.
const SIGNS: [(&str, &str); 6] = [
    ("eur", "€"),
    ("usd", "$"),
    ("gbp", "£"),
    ("jpy", "¥"),
    ("krw", "₩"),
    ("inr", "₹"),
];

/// An amount with its currency, such as `€5.00`, `¥500` or `CHF 5.00`. The code may be in either case.
pub fn format_money(amount_minor: i64, currency: &str) -> String {
    let code = currency.to_ascii_lowercase();
    let minus = if amount_minor < 0 { "-" } else { "" };
    let amount = amount_minor.unsigned_abs();
    let digits = if ZERO_DECIMAL.contains(&code.as_str()) {
        amount.to_string()
    } else if THREE_DECIMAL.contains(&code.as_str()) {
        format!("{}.{:03}", amount / 1000, amount % 1000)
    } else {
        format!("{}.{:02}", amount / 100, amount % 100)
    };
    match SIGNS.iter().find(|(known, _)| *known == code) {
        Some((_, sign)) => format!("{minus}{sign}{digits}"),
        None => format!("{minus}{} {digits}", code.to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_decimals_follows_the_currency() {
        for (minor, currency, text) in [
            (500, "eur", "€5.00"),
            (500, "EUR", "€5.00"),
            (5, "usd", "$0.05"),
            (500, "jpy", "¥500"),
            (500, "chf", "CHF 5.00"),
            (5_000, "kwd", "KWD 5.000"),
            (-1_250, "gbp", "-£12.50"),
            (0, "krw", "₩0"),
            (i64::MIN, "jpy", "-¥9223372036854775808"),
        ] {
            assert_eq!(format_money(minor, currency), text);
        }
    }
}
