//! Amounts in words, and words as amounts.
//!
//! Stripe counts every amount in the currency's minor unit, by a list of its own that follows ISO 4217 save for a few currencies
//! (<https://docs.stripe.com/currencies>, "Minor units in API amounts", "Special cases"):
//!
//! | currencies | an amount of 1 is | what holds |
//! |---|---|---|
//! | most | a hundredth | |
//! | `jpy`, `krw` and the others of [`Decimals::None`] | a whole unit | |
//! | `bhd`, `jod`, `kwd`, `omr`, `tnd` | a thousandth | the last digit is 0 |
//! | `isk`, `ugx` | a hundredth, in spite of ISO 4217 | whole units alone: the last two digits are 00 |
//! | `huf`, `twd` | a hundredth | whole units alone in payouts, which is the publisher's bank and not the reader's card |

/// Currencies without minor units in Stripe's API.
const ZERO_DECIMAL: [&str; 15] = [
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
];
/// Currencies with thousandths.
const THREE_DECIMAL: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];
/// Currencies that are counted in hundredths and charged in whole units.
const WHOLE_UNITS: [&str; 2] = ["isk", "ugx"];
/// The other currencies that Stripe charges in, counted in hundredths (<https://docs.stripe.com/currencies>, "Supported presentment
/// currencies").
const TWO_DECIMAL: [&str; 119] = [
    "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd", "bdt", "bgn", "bmd", "bnd",
    "bob", "brl", "bsd", "bwp", "byn", "bzd", "cad", "cdf", "chf", "cny", "cop", "crc", "cve", "czk", "dkk", "dop",
    "dzd", "egp", "etb", "eur", "fjd", "fkp", "gbp", "gel", "ghs", "gip", "gmd", "gtq", "gyd", "hkd", "hnl", "htg",
    "huf", "idr", "ils", "inr", "jmd", "kes", "kgs", "khr", "kyd", "kzt", "lak", "lbp", "lkr", "lrd", "lsl", "mad",
    "mdl", "mkd", "mmk", "mnt", "mop", "mur", "mvr", "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio", "nok", "npr",
    "nzd", "pab", "pen", "pgk", "php", "pkr", "pln", "qar", "ron", "rsd", "rub", "sar", "sbd", "scr", "sek", "sgd",
    "shp", "sle", "sos", "srd", "std", "szl", "thb", "tjs", "top", "try", "ttd", "twd", "tzs", "uah", "usd", "uyu",
    "uzs", "wst", "xcd", "xcg", "yer", "zar", "zmw",
];
/// What the last digits of an amount must be a multiple of, where not every amount can be charged.
const THOUSANDTHS_STEP: i64 = 10;
const WHOLE_UNITS_STEP: i64 = 100;
/// Smallest amounts that Stripe charges, in minor units (<https://docs.stripe.com/currencies>, "Minimum and maximum charge amounts").
/// For a currency that is not in it, the minimum of the account's own currency counts, after conversion.
const MINIMUM: [(&str, i64); 24] = [
    ("aed", 200),
    ("aud", 50),
    ("bgn", 100),
    ("brl", 50),
    ("cad", 50),
    ("chf", 50),
    ("czk", 1_500),
    ("dkk", 250),
    ("eur", 50),
    ("gbp", 30),
    ("hkd", 400),
    ("huf", 17_500),
    ("inr", 50),
    ("jpy", 50),
    ("mxn", 1_000),
    ("myr", 200),
    ("nok", 300),
    ("nzd", 50),
    ("pln", 200),
    ("ron", 200),
    ("sek", 300),
    ("sgd", 50),
    ("thb", 1_000),
    ("usd", 50),
];
/// Largest amount that Stripe charges in most currencies, in minor units: eight digits (the same page).
pub const MAX_AMOUNT_MINOR: i64 = 99_999_999;
/// Longest amount that is read, in characters.
const MAX_TYPED: usize = 40;
/// Signs that nobody takes for another currency.
const SIGNS: [(&str, &str); 6] = [
    ("eur", "€"),
    ("usd", "$"),
    ("gbp", "£"),
    ("jpy", "¥"),
    ("krw", "₩"),
    ("inr", "₹"),
];

/// How an amount of a currency is counted and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimals {
    /// Whole units, counted as such.
    None,
    /// Whole units, counted in hundredths.
    Hidden,
    /// Hundredths.
    Two,
    /// Thousandths, of which only every tenth can be charged.
    Three,
}

impl Decimals {
    /// Those of a currency, by its code in either case.
    pub fn of(currency: &str) -> Self {
        let code = currency.to_ascii_lowercase();
        let code = code.as_str();
        if ZERO_DECIMAL.contains(&code) {
            Self::None
        } else if THREE_DECIMAL.contains(&code) {
            Self::Three
        } else if WHOLE_UNITS.contains(&code) {
            Self::Hidden
        } else {
            Self::Two
        }
    }

    /// Digits after the decimal mark.
    pub const fn shown(self) -> usize {
        match self {
            Self::None | Self::Hidden => 0,
            Self::Two => 2,
            Self::Three => 3,
        }
    }

    /// Minor units in a whole one.
    pub const fn scale(self) -> i64 {
        match self {
            Self::None => 1,
            Self::Hidden | Self::Two => 100,
            Self::Three => 1000,
        }
    }

    /// What every amount that can be charged is a multiple of, in minor units.
    pub const fn step(self) -> i64 {
        match self {
            Self::None | Self::Two => 1,
            Self::Hidden => WHOLE_UNITS_STEP,
            Self::Three => THOUSANDTHS_STEP,
        }
    }
}

/// Whether Stripe charges in a currency, by its lower-case code.
pub fn is_charged(currency: &str) -> bool {
    [&ZERO_DECIMAL[..], &THREE_DECIMAL, &WHOLE_UNITS, &TWO_DECIMAL]
        .iter()
        .any(|list| list.contains(&currency))
}

/// The smallest amount that Stripe charges, in minor units, where it says one.
pub fn minimum_charge(currency: &str) -> Option<i64> {
    MINIMUM
        .iter()
        .find(|(known, _)| *known == currency)
        .map(|(_, minimum)| *minimum)
}

/// The number of an amount, such as `5.00` or `500`.
pub fn format_number(amount_minor: i64, currency: &str) -> String {
    let decimals = Decimals::of(currency);
    let scale = decimals.scale().unsigned_abs();
    let amount = amount_minor.unsigned_abs();
    let minus = if amount_minor < 0 { "-" } else { "" };
    let (whole, part) = (amount / scale, amount % scale);
    match decimals {
        // A part that cannot be charged is shown all the same, so that nobody is told less than is asked.
        Decimals::Hidden if part > 0 => format!("{minus}{whole}.{part:02}"),
        Decimals::None | Decimals::Hidden => format!("{minus}{whole}"),
        Decimals::Two => format!("{minus}{whole}.{part:02}"),
        Decimals::Three => format!("{minus}{whole}.{part:03}"),
    }
}

/// An amount with its currency, such as `€5.00`, `¥500` or `CHF 5.00`. The code may be in either case.
pub fn format_money(amount_minor: i64, currency: &str) -> String {
    let code = currency.to_ascii_lowercase();
    let number = format_number(amount_minor, &code);
    let (minus, digits) = number
        .strip_prefix('-')
        .map_or(("", number.as_str()), |rest| ("-", rest));
    match SIGNS.iter().find(|(known, _)| *known == code) {
        Some((_, sign)) => format!("{minus}{sign}{digits}"),
        None => format!("{minus}{} {digits}", code.to_ascii_uppercase()),
    }
}

/// How a reader's language writes one and a half.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DecimalMark {
    /// `1.5`, and `1,500` for a thousand and a half.
    #[default]
    Point,
    /// `1,5`, and `1.500`.
    Comma,
}

/// Why what was typed is no amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Nothing was typed.
    #[error("no amount was typed")]
    Empty,
    /// It is no number, or has another currency's sign.
    #[error("this is not an amount")]
    NotANumber,
    /// More digits after the decimal mark than the currency has.
    #[error("this has more digits after the decimal mark than the currency has")]
    TooPrecise,
    /// It could mean two amounts.
    #[error("this can be read in two ways")]
    Ambiguous,
    /// Larger than Stripe charges.
    #[error("this is more than can be charged")]
    TooLarge,
}

/// Reads an amount as a person types it, into minor units.
///
/// Both `.` and `,` are taken as the decimal mark, whichever the reader's language has; `mark` decides only where that would be a
/// guess, as in `1.500`. Spaces and apostrophes group digits; the currency's own sign or code may stand before or after.
///
/// # Errors
/// Nothing is rounded: what cannot be charged as it was typed is refused.
pub fn parse_amount(typed: &str, currency: &str, mark: DecimalMark) -> Result<i64, AmountError> {
    if typed.chars().count() > MAX_TYPED {
        return Err(AmountError::NotANumber);
    }
    let bare = without_currency(&plain_digits(typed), currency);
    if bare.is_empty() {
        return Err(AmountError::Empty);
    }
    if !bare.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
        || !bare.contains(|c: char| c.is_ascii_digit())
    {
        return Err(AmountError::NotANumber);
    }
    let decimals = Decimals::of(currency);
    let (whole, part) = split_at_mark(&bare, decimals, mark)?;
    let part = part.trim_end_matches('0');
    if part.len() > decimals.shown() {
        return Err(AmountError::TooPrecise);
    }
    let whole: i64 = if whole.is_empty() { Ok(0) } else { whole.parse() }.map_err(|_| AmountError::TooLarge)?;
    let part: i64 = format!("{part:0<width$}", width = decimals.shown())
        .parse()
        .unwrap_or(0);
    let minor = whole
        .checked_mul(decimals.scale())
        .and_then(|minor| minor.checked_add(part))
        .ok_or(AmountError::TooLarge)?;
    if minor > MAX_AMOUNT_MINOR {
        return Err(AmountError::TooLarge);
    }
    if minor % decimals.step() == 0 {
        Ok(minor)
    } else {
        Err(AmountError::TooPrecise)
    }
}

/// ASCII digits and marks for those of other scripts and of full width; grouping by spaces and apostrophes is dropped.
fn plain_digits(typed: &str) -> String {
    let digit = |c: char, zero: char| u32::from(c).checked_sub(u32::from(zero)).filter(|value| *value < 10);
    let one = |c: char| match c {
        '٫' | '，' => Some(','),
        '．' => Some('.'),
        '\'' | '’' | '٬' => None,
        c if c.is_whitespace() => None,
        c => ['0', '٠', '۰', '०', '０']
            .into_iter()
            .find_map(|zero| digit(c, zero))
            .and_then(|value| char::from_digit(value, 10))
            .or(Some(c)),
    };
    typed.chars().filter_map(one).collect()
}

fn without_currency(text: &str, currency: &str) -> String {
    let code = currency.to_ascii_lowercase();
    let sign = SIGNS.iter().find(|(known, _)| *known == code).map(|(_, sign)| *sign);
    let lower = text.to_lowercase();
    let mut rest = lower.as_str();
    for own in sign.into_iter().chain([code.as_str()]) {
        rest = rest.strip_prefix(own).unwrap_or(rest);
        rest = rest.strip_suffix(own).unwrap_or(rest);
    }
    rest.to_owned()
}

/// The digits before and after the decimal mark, grouping taken out.
fn split_at_mark(text: &str, decimals: Decimals, mark: DecimalMark) -> Result<(String, String), AmountError> {
    let Some(last) = text.rfind(['.', ',']) else {
        return Ok((text.to_owned(), String::new()));
    };
    let (before, after) = (
        text.get(..last).unwrap_or_default(),
        text.get(last + 1..).unwrap_or_default(),
    );
    let own = if text.get(last..=last) == Some(".") { '.' } else { ',' };
    let is_mark = match (before.contains(['.', ',']), after.len()) {
        // `1.500,50`: the last of two kinds is the mark. `1.500.000`: one kind, several times, is grouping.
        (true, _) => !before.contains(own),
        // `1.500` and `1,500`: only the reader's language says. Where the currency cannot have that many, `1.500` is no amount
        // for a reader whose mark is the point.
        (false, 3) => {
            let reads_as_mark = own == if mark == DecimalMark::Point { '.' } else { ',' };
            if reads_as_mark && decimals != Decimals::Three && !before.trim_start_matches('0').is_empty() {
                return Err(AmountError::Ambiguous);
            }
            reads_as_mark
        }
        (false, _) => true,
    };
    let (whole, part) = if is_mark { (before, after) } else { (text, "") };
    Ok((ungrouped(whole)?, part.to_owned()))
}

/// Digits without grouping marks, which stand where people put them: three digits after the last, two or three between.
fn ungrouped(text: &str) -> Result<String, AmountError> {
    let mut groups = text.split(['.', ',']);
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    if let Some((last, between)) = rest.split_last() {
        let fits = !first.is_empty() && last.len() == 3 && between.iter().all(|group| (2..=3).contains(&group.len()));
        if !fits {
            return Err(AmountError::NotANumber);
        }
    }
    Ok(format!("{first}{}", rest.concat()))
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
            // Counted in hundredths, paid in whole units.
            (50_000, "isk", "ISK 500"),
            (500_000, "ugx", "UGX 5000"),
            (149_050, "huf", "HUF 1490.50"),
            (15_000, "twd", "TWD 150.00"),
            (50_050, "isk", "ISK 500.50"),
        ] {
            assert_eq!(format_money(minor, currency), text);
        }
    }

    #[test]
    fn an_amount_is_read_as_its_reader_writes_it() {
        use DecimalMark::{Comma, Point};
        for (typed, currency, mark, minor) in [
            ("5", "eur", Point, 500),
            ("5.50", "eur", Point, 550),
            ("5,50", "eur", Point, 550),
            ("5,5", "eur", Comma, 550),
            ("5.5", "eur", Comma, 550),
            (" €5 ", "eur", Point, 500),
            ("5 €", "eur", Comma, 500),
            ("EUR 7.25", "eur", Point, 725),
            ("1,500", "eur", Point, 150_000),
            ("1.500", "eur", Comma, 150_000),
            ("1.500,50", "eur", Point, 150_050),
            ("1,500.50", "eur", Comma, 150_050),
            ("1’500.50", "chf", Point, 150_050),
            ("1 500,50", "eur", Comma, 150_050),
            ("1,00,000", "inr", Point, 10_000_000),
            (".5", "eur", Point, 50),
            ("5.", "eur", Point, 500),
            ("5.00", "jpy", Point, 5),
            ("1,500", "jpy", Point, 1_500),
            ("1.500", "jpy", Comma, 1_500),
            ("５００", "jpy", Point, 500),
            ("٥", "kwd", Point, 5_000),
            ("1.250", "kwd", Point, 1_250),
            ("1,250", "kwd", Comma, 1_250),
            ("1.25", "kwd", Point, 1_250),
            ("0.500", "eur", Point, 50),
            ("500", "isk", Point, 50_000),
        ] {
            assert_eq!(
                parse_amount(typed, currency, mark),
                Ok(minor),
                "{typed:?} {currency} {mark:?}"
            );
        }
    }

    #[test]
    fn what_is_no_amount_or_two_is_refused_by_name_and_never_rounded() {
        use AmountError::{Ambiguous, Empty, NotANumber, TooLarge, TooPrecise};
        use DecimalMark::{Comma, Point};
        for (typed, currency, mark, error) in [
            ("", "eur", Point, Empty),
            ("€", "eur", Point, Empty),
            ("five", "eur", Point, NotANumber),
            ("-5", "eur", Point, NotANumber),
            ("5e3", "eur", Point, NotANumber),
            ("$5", "eur", Point, NotANumber),
            ("5 5 x", "eur", Point, NotANumber),
            ("1,5,5", "eur", Point, NotANumber),
            (",", "eur", Point, NotANumber),
            ("5.555", "eur", Point, Ambiguous),
            ("5,555", "eur", Comma, Ambiguous),
            ("5.5555", "eur", Point, TooPrecise),
            ("5.5", "jpy", Point, TooPrecise),
            ("1.255", "kwd", Point, TooPrecise),
            ("500.50", "isk", Point, TooPrecise),
            ("1000000", "eur", Point, TooLarge),
            ("99999999999999999999", "jpy", Point, TooLarge),
        ] {
            assert_eq!(
                parse_amount(typed, currency, mark),
                Err(error),
                "{typed:?} {currency} {mark:?}"
            );
        }
        assert_eq!(parse_amount(&"9".repeat(500), "eur", Point), Err(NotANumber));
    }

    #[test]
    fn what_is_shown_is_read_as_the_same_amount_in_every_currency() {
        let all = [&ZERO_DECIMAL[..], &THREE_DECIMAL, &WHOLE_UNITS, &TWO_DECIMAL].concat();
        for currency in &all {
            assert!(is_charged(currency));
            for units in [1, 7, 999, 12_345] {
                let minor = units * Decimals::of(currency).step();
                let shown = format_money(minor, currency);
                let mark = DecimalMark::Point;
                assert_eq!(parse_amount(&shown, currency, mark), Ok(minor), "{shown}");
            }
        }
        assert_eq!(all.len(), all.iter().collect::<std::collections::BTreeSet<_>>().len());
        assert!(!is_charged("xxx") && !is_charged("eux"));
    }

    #[test]
    fn every_minimum_is_of_a_currency_that_is_charged_and_can_itself_be_charged() {
        for (currency, minimum) in MINIMUM {
            assert!(is_charged(currency), "{currency}");
            assert_eq!(minimum % Decimals::of(currency).step(), 0, "{currency}");
        }
        assert_eq!(
            (minimum_charge("eur"), minimum_charge("jpy"), minimum_charge("kwd")),
            (Some(50), Some(50), None)
        );
    }
}
