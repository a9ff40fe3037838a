//! Which currency a reader sees: the one that binds them, the one they chose, or a guess by their languages.

use latchkey_billing::{Currency, DecimalMark, Plan};

/// Longest `Accept-Language` that is looked at, in bytes.
const MAX_LANGUAGES: usize = 500;

/// Regions (ISO 3166) and their currencies, where readers are likely; the rest of the euro area is in [`EURO`].
const REGIONS: [(&str, &str); 44] = [
    ("ae", "aed"),
    ("ar", "ars"),
    ("au", "aud"),
    ("bh", "bhd"),
    ("br", "brl"),
    ("ca", "cad"),
    ("ch", "chf"),
    ("cl", "clp"),
    ("cn", "cny"),
    ("co", "cop"),
    ("cz", "czk"),
    ("dk", "dkk"),
    ("eg", "egp"),
    ("gb", "gbp"),
    ("hk", "hkd"),
    ("hu", "huf"),
    ("id", "idr"),
    ("il", "ils"),
    ("in", "inr"),
    ("is", "isk"),
    ("jo", "jod"),
    ("jp", "jpy"),
    ("kr", "krw"),
    ("kw", "kwd"),
    ("li", "chf"),
    ("mx", "mxn"),
    ("my", "myr"),
    ("no", "nok"),
    ("nz", "nzd"),
    ("om", "omr"),
    ("ph", "php"),
    ("pl", "pln"),
    ("ro", "ron"),
    ("rs", "rsd"),
    ("sa", "sar"),
    ("se", "sek"),
    ("sg", "sgd"),
    ("th", "thb"),
    ("tn", "tnd"),
    ("tr", "try"),
    ("tw", "twd"),
    ("ug", "ugx"),
    ("us", "usd"),
    ("za", "zar"),
];
/// Regions that pay in euros.
const EURO: [&str; 21] = [
    "at", "be", "bg", "cy", "de", "ee", "es", "fi", "fr", "gr", "hr", "ie", "it", "lt", "lu", "lv", "mt", "nl", "pt",
    "si", "sk",
];
/// Languages that come without a region, and where most of their speakers are who would read without naming one.
const LANGUAGES: [(&str, &str); 24] = [
    ("cs", "cz"),
    ("da", "dk"),
    ("de", "de"),
    ("el", "gr"),
    ("es", "es"),
    ("et", "ee"),
    ("fi", "fi"),
    ("fr", "fr"),
    ("he", "il"),
    ("hu", "hu"),
    ("is", "is"),
    ("it", "it"),
    ("ja", "jp"),
    ("ko", "kr"),
    ("lt", "lt"),
    ("lv", "lv"),
    ("nb", "no"),
    ("nl", "nl"),
    ("pl", "pl"),
    ("ro", "ro"),
    ("sk", "sk"),
    ("sl", "si"),
    ("sv", "se"),
    ("tr", "tr"),
];
/// Languages that write one and a half with a point; most of the others have a comma.
const POINT: [&str; 10] = ["en", "he", "hi", "ja", "ko", "ms", "sw", "th", "ur", "zh"];

/// The currencies that anything is sold in, in the order of the plans.
pub(crate) fn sold(plans: &[Plan]) -> Vec<Currency> {
    let mut found: Vec<Currency> = Vec::new();
    for currency in plans
        .iter()
        .flat_map(|plan| &plan.prices)
        .flat_map(latchkey_billing::PlanPrice::currencies)
    {
        if !found.contains(currency) {
            found.push(currency.clone());
        }
    }
    found
}

/// The currency to show: what binds the reader, else what they ask for now, else what they chose before, else a guess, else the
/// first. Only one that something is sold in.
pub(crate) fn shown(
    sold: &[Currency],
    bound: Option<&Currency>,
    asked: Option<&str>,
    kept: Option<&str>,
    languages: &str,
) -> Option<Currency> {
    let known = |code: Option<&str>| {
        let currency = Currency::parse(code?).ok()?;
        sold.contains(&currency).then_some(currency)
    };
    bound
        .filter(|bound| sold.contains(bound))
        .cloned()
        .or_else(|| known(asked))
        .or_else(|| known(kept))
        .or_else(|| guesses(languages).find_map(|code| known(Some(code))))
        .or_else(|| sold.first().cloned())
}

/// The languages of `Accept-Language`, in the order in which they stand: language and, if there is one, region, in lower case.
fn languages(header: &str) -> impl Iterator<Item = (String, Option<String>)> {
    let header = if header.len() > MAX_LANGUAGES { "" } else { header };
    header.split(',').filter_map(|entry| {
        let tag = entry.split(';').next()?.trim().to_ascii_lowercase();
        let mut parts = tag.split('-');
        let language = parts.next().filter(|language| !language.is_empty())?.to_owned();
        let region = parts.find(|part| part.len() == 2).map(str::to_owned);
        Some((language, region))
    })
}

fn guesses(header: &str) -> impl Iterator<Item = &'static str> {
    languages(header).filter_map(|(language, region)| {
        let region = region.or_else(|| {
            let own = LANGUAGES.iter().find(|(known, _)| *known == language);
            own.map(|(_, region)| (*region).to_owned())
        })?;
        if EURO.contains(&region.as_str()) {
            return Some("eur");
        }
        REGIONS
            .iter()
            .find(|(known, _)| *known == region)
            .map(|(_, currency)| *currency)
    })
}

/// How the reader's first language writes decimals.
pub(crate) fn decimal_mark(header: &str) -> DecimalMark {
    match languages(header).next() {
        None => DecimalMark::Point,
        // German in Switzerland and Spanish in Mexico have the point.
        Some((language, Some(region)))
            if (language == "de" && (region == "ch" || region == "li")) || (language == "es" && region == "mx") =>
        {
            DecimalMark::Point
        }
        Some((language, _)) if POINT.contains(&language.as_str()) => DecimalMark::Point,
        Some(_) => DecimalMark::Comma,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currencies(codes: &[&str]) -> Vec<Currency> {
        codes.iter().map(|code| Currency::parse(code).unwrap()).collect()
    }

    #[test]
    fn what_binds_comes_before_a_choice_and_a_choice_before_a_guess() {
        let sold = currencies(&["eur", "usd", "jpy"]);
        let pick = |bound: Option<&str>, asked, kept, languages| {
            let bound = bound.map(|code| Currency::parse(code).unwrap());
            shown(&sold, bound.as_ref(), asked, kept, languages)
                .unwrap()
                .to_string()
        };
        assert_eq!(pick(Some("usd"), Some("jpy"), Some("jpy"), "ja"), "usd");
        assert_eq!(pick(None, Some("JPY"), Some("usd"), "de"), "jpy");
        assert_eq!(pick(None, None, Some("usd"), "de"), "usd");
        assert_eq!(pick(None, Some("xxx"), Some("<b>"), "en-US,en;q=0.5"), "usd");
        // Something is sold in none of these.
        assert_eq!(pick(Some("gbp"), Some("gbp"), None, "en-GB,ja;q=0.4"), "jpy");
        assert_eq!(pick(None, None, None, "en"), "eur");
        assert_eq!(shown(&[], None, None, None, "en"), None);
    }

    #[test]
    fn a_guess_follows_region_and_language() {
        let first = |header: &str| guesses(header).next();
        for (header, currency) in [
            ("de-DE,de;q=0.9,en;q=0.8", Some("eur")),
            ("de-CH", Some("chf")),
            ("zh-Hant-TW", Some("twd")),
            ("ja", Some("jpy")),
            ("ar-KW", Some("kwd")),
            ("en", None),
            ("", None),
            ("*;q=0.5", None),
            (&"de,".repeat(500), None),
        ] {
            assert_eq!(first(header), currency, "{header}");
        }
        assert_eq!(decimal_mark("en-GB"), DecimalMark::Point);
        assert_eq!(decimal_mark("de-DE,en"), DecimalMark::Comma);
        assert_eq!(decimal_mark("de-CH"), DecimalMark::Point);
        assert_eq!(decimal_mark(""), DecimalMark::Point);
    }
}
