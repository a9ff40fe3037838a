//! What a streaming parser gets wrong on broken HTML, and that no article is hurt by it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests stop at the first surprise"
)]

use latchkey_entitlement::{
    SiteId,
    policy::{RuleAction, RuleSpec, SitePolicy, StripPolicy},
};
use latchkey_page::{
    Call, Change, Compiled, FilterList, Outcome, Place, RuleError, Verdict, call_html, guard_script, rewrite,
};
use proptest::prelude::*;

fn policy(action: RuleAction) -> StripPolicy {
    let rule = RuleSpec {
        id: "test-ad".into(),
        group: "ads".into(),
        select: Some(".ad".into()),
        host: None,
        inline: None,
        action,
        reason: String::new(),
    };
    StripPolicy {
        ad_hosts: vec!["ads.localhost".into()],
        rules: vec![rule],
        ..StripPolicy::default()
    }
}

fn compiled() -> Compiled {
    Compiled::new(&policy(RuleAction::Remove), &[]).unwrap()
}

fn strip(html: &str) -> Outcome {
    rewrite(
        &compiled(),
        html.as_bytes(),
        None,
        "https://news.example/story",
        &Change {
            strip: true,
            ..Change::default()
        },
    )
}

fn stripped(html: &str) -> String {
    String::from_utf8(strip(html).html).unwrap()
}

#[test]
fn the_article_survives_every_trap_of_unclosed_elements() {
    let traps = [
        (
            "unclosed div",
            "<body><div class=ad>AD<p>article</p></body><footer>foot</footer>",
        ),
        (
            "unclosed p before p",
            "<div><p class=ad>AD<p>article 1<p>article 2</div>foot",
        ),
        ("unclosed li", "<ul><li>article<li class=ad>AD<li>foot</ul>"),
        ("p closed by div", "<p class=ad>AD<div>article</div></p>foot"),
        ("misnested b", "<b class=ad>AD<p>article</b>icle</p>foot"),
        ("self-closed ins", "<div><ins class=ad />article</div>foot"),
        ("self-closed amp-ad", "<div><amp-ad />article</div>foot"),
        ("never closed", "<div class=ad>AD article foot"),
        (
            "closed by a section",
            "<section><div class=ad><b>x</section>article foot",
        ),
    ];
    for (name, html) in traps {
        let out = stripped(html);
        for word in ["article", "foot"] {
            assert!(!html.contains(word) || out.contains(word), "{name}: {out}");
        }
    }
}

#[test]
fn well_closed_ads_are_gone_and_nothing_else() {
    let table = [
        ("a<div class=ad>AD<div>in</div></div>b", "ab"),
        ("a<ins class=\"adsbygoogle\"></ins>b", "ab"),
        ("a<div id=\"div-gpt-ad-123-0\"><script>x</script></div>b", "ab"),
        (
            "a<script src=\"https://securepubads.g.doubleclick.net/tag/js/gpt.js\" async></script>b",
            "ab",
        ),
        ("a<script>googletag.cmd.push(function(){})</script>b", "ab"),
        ("a<iframe src=\"//ads.localhost:8080/frame\"></iframe>b", "ab"),
        ("a<img src='http://ads.localhost/x.svg'>b", "ab"),
        ("a<img srcset='/own.png 1x, //ads.localhost/x.png 2x'>b", "ab"),
        (
            "a<a href='http://ads.localhost/click'><img src='http://ads.localhost/b.svg'></a>b",
            "ab",
        ),
        ("a<link rel=preconnect href='//ads.localhost'>b", "ab"),
        ("a<noscript><img src='https://ads.localhost/p.gif'></noscript>b", "ab"),
        (
            "a<template><div class=ad>x</div></template>b",
            "a<template></template>b",
        ),
    ];
    for (html, want) in table {
        assert_eq!(stripped(html), want, "{html}");
    }
}

#[test]
fn what_only_looks_like_an_ad_stays() {
    for html in [
        "<header class='header shadow download gradient'>x</header>",
        "<p>We wrote about <a href='https://doubleclick.net/about'>an ad company</a> and adsbygoogle.</p>",
        "<script type='application/ld+json'>{\"@type\":\"NewsArticle\"}</script>",
        "<script>window.dataLayer=window.dataLayer||[]</script>",
        "<script src='https://www.google-analytics.com/analytics.js'></script>",
        "<img src='https://badads.localhost.example/x.png'>",
        "<noscript><img src='/own.gif'></noscript>",
        "<!-- <div class=ad>AD</div> -->",
        "<DIV CLASS=AD>strict mode tells cases apart</DIV>",
    ] {
        let outcome = strip(html);
        assert_eq!(String::from_utf8(outcome.html).unwrap(), html);
        assert_eq!(outcome.verdict, Verdict::Unchanged);
    }
}

#[test]
fn the_other_actions_do_what_they_say() {
    let page = "a<div class=ad><b>in</b></div>b";
    let table = [
        (RuleAction::Empty, "a<div class=ad></div>b"),
        (RuleAction::Unwrap, "a<b>in</b>b"),
        (
            RuleAction::Hide,
            "a<div class=ad hidden=\"\" style=\"display:none!important\"><b>in</b></div>b",
        ),
    ];
    for (action, want) in table {
        let compiled = Compiled::new(&policy(action), &[]).unwrap();
        let out = rewrite(
            &compiled,
            page.as_bytes(),
            None,
            "https://n.example/",
            &Change {
                strip: true,
                ..Change::default()
            },
        );
        assert_eq!(String::from_utf8(out.html).unwrap(), want, "{action:?}");
    }
}

#[test]
fn a_rule_that_eats_the_article_is_stopped_and_named() {
    let article = "<p>word word word word word.</p>".repeat(200);
    let html = format!("<body><p>start</p><div class=ad>{article}</div></body>");
    let outcome = strip(&html);
    assert_eq!(outcome.html, html.as_bytes());
    match outcome.verdict {
        Verdict::Original { rule, offset, .. } => {
            assert_eq!(rule.as_deref(), Some("test-ad"));
            assert_eq!(offset, 18);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_encodings_pass_untouched_or_byte_for_byte() {
    let compiled = compiled();
    let change = Change {
        strip: true,
        ..Change::default()
    };
    let utf16: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain("<div class=ad>x</div>".encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    for (bytes, charset) in [
        (utf16.clone(), None),
        (utf16, Some("utf-16")),
        (b"<div class=ad>x</div>".to_vec(), Some("iso-2022-jp")),
    ] {
        let outcome = rewrite(&compiled, &bytes, charset, "https://n.example/", &change);
        assert_eq!((outcome.html, outcome.verdict), (bytes, Verdict::Unchanged));
    }
    let latin = b"caf\xe9 <div class=ad>x</div> \xfc\xff".to_vec();
    for charset in [Some("iso-8859-1"), Some("\"windows-1252\""), None] {
        let outcome = rewrite(&compiled, &latin, charset, "https://n.example/", &change);
        assert_eq!(outcome.html, b"caf\xe9  \xfc\xff", "{charset:?}");
    }
}

#[test]
fn calls_stand_at_top_and_bottom_or_where_the_page_marks_their_place() {
    let mut site = SitePolicy::new(SiteId::parse("sit_news").unwrap(), "The <Post>".into());
    site.call.text = "Support {name} – go ad-free!".into();
    let top = call_html(
        &site,
        "https://account.example/support?site=sit_news&to=/a",
        "https://account.example/sign-in",
        Place::Top,
    );
    let bottom = call_html(
        &site,
        "https://account.example/support",
        "https://account.example/sign-in",
        Place::Bottom,
    );
    assert!(
        top.contains("The &lt;Post&gt; &#8211; go") && top.contains("&amp;to=/a"),
        "{top}"
    );
    let change = Change {
        call: Some(Call {
            html_top: &top,
            html_bottom: &bottom,
        }),
        ..Change::default()
    };
    let put = |html: &str| {
        String::from_utf8(rewrite(&compiled(), html.as_bytes(), None, "https://n.example/", &change).html).unwrap()
    };
    assert_eq!(
        put("<html><body>x</body></html>"),
        format!("<html><body>{top}x{bottom}</body></html>")
    );
    assert_eq!(put("<body>x"), format!("<body>{top}x{bottom}"));
    let marked = put("<body><i data-latchkey-call=bottom></i>x</body>");
    assert_eq!(
        marked,
        format!("<body>{top}<i data-latchkey-call=bottom>{bottom}</i>x</body>")
    );
    assert_eq!(put("<p>a fragment</p>"), "<p>a fragment</p>");
    assert_eq!(put(&put("<body>x</body>")), put("<body>x</body>"), "twice is once");
}

#[test]
fn the_guard_comes_first_in_the_head_with_the_pages_nonce() {
    let change = Change {
        strip: true,
        guard_src: Some("/.latchkey/assets/guard-1.js"),
        nonce_from_page: true,
        ..Change::default()
    };
    let html = "<html><head><meta charset=utf-8><script nonce=\"n0\">a()</script></head><body>x</body></html>";
    let out = rewrite(&compiled(), html.as_bytes(), None, "https://n.example/", &change);
    let out = String::from_utf8(out.html).unwrap();
    assert!(
        out.contains(
            "<head><script data-latchkey-guard src=\"/.latchkey/assets/guard-1.js\" nonce=\"n0\"></script><meta"
        ),
        "{out}"
    );
    let script = guard_script(&compiled());
    assert!(
        script.contains("\"ads.localhost\"") && !script.contains("{{"),
        "{script}"
    );
    assert!(script.len() < 12_000);
}

#[test]
fn filter_lists_count_beside_the_rules() {
    let list = FilterList::parse(
        "test",
        "||tracker.example^$third-party\n##.promo-box\n##div[data-x=\"1\"]\nnews.example##.only-here\n##.a:has(.b)\n@@||tracker.example/ok.js",
    );
    let compiled = Compiled::new(&StripPolicy::default(), &[list]).unwrap();
    let html = "<div class=promo-box>x</div><div data-x=1>y</div><i class=only-here>z</i>\
                <script src=https://tracker.example/t.js></script><script src=https://tracker.example/ok.js></script>";
    let out = rewrite(
        &compiled,
        html.as_bytes(),
        None,
        "https://news.example/",
        &Change {
            strip: true,
            ..Change::default()
        },
    );
    assert_eq!(
        String::from_utf8(out.html).unwrap(),
        "<script src=https://tracker.example/ok.js></script>"
    );
}

#[test]
fn rules_that_cannot_be_used_are_refused_by_name() {
    let with = |rule: RuleSpec| {
        Compiled::new(
            &StripPolicy {
                rules: vec![rule],
                ..StripPolicy::default()
            },
            &[],
        )
        .unwrap_err()
    };
    let blank = RuleSpec {
        id: "mine".into(),
        group: "ads".into(),
        select: None,
        host: None,
        inline: None,
        action: RuleAction::Remove,
        reason: String::new(),
    };
    assert_eq!(with(blank.clone()), RuleError::Finder("mine".into()));
    assert!(matches!(
        with(RuleSpec {
            select: Some("a + b".into()),
            ..blank.clone()
        }),
        RuleError::Selector { .. }
    ));
    assert!(matches!(
        with(RuleSpec {
            host: Some("https://x.example/".into()),
            ..blank.clone()
        }),
        RuleError::Host { .. }
    ));
    assert!(matches!(
        with(RuleSpec {
            host: Some("com".into()),
            ..blank.clone()
        }),
        RuleError::Host { .. }
    ));
    assert_eq!(
        with(RuleSpec {
            inline: Some("ad".into()),
            ..blank
        }),
        RuleError::Inline("mine".into())
    );
    let groups = StripPolicy {
        groups: vec!["adz".into()],
        ..StripPolicy::default()
    };
    assert_eq!(Compiled::new(&groups, &[]).unwrap_err(), RuleError::Group("adz".into()));
}

fn any_html() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "<div>",
        "</div>",
        "<p>",
        "</p>",
        "<li>",
        "</ul>",
        "<ul>",
        "<div class=ad>",
        "<p class=ad>",
        "<b class=ad>",
        "</b>",
        "<script>",
        "</script>",
        "<script src=//ads.localhost/x>",
        "<noscript>",
        "</noscript>",
        "<table>",
        "<td class=ad>",
        "</table>",
        "<body>",
        "</body>",
        "<head>",
        "<!--",
        "-->",
        "word ",
        "é ",
        "<img src=//ads.localhost/i>",
        "<textarea>",
        "</textarea>",
        "<template>",
        "<a href=//ads.localhost/c>",
        "</a>",
        "<",
        "&amp;",
        "<iframe src=//ads.localhost>",
        "</iframe>",
        "<title>",
        "</title>",
    ]);
    prop::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn stripping_twice_is_stripping_once(html in any_html()) {
        let once = strip(&html);
        if once.verdict == Verdict::Changed {
            let again = strip(&String::from_utf8(once.html.clone()).unwrap());
            // A hidden element is still named by its rule; hiding it again changes nothing.
            prop_assert_eq!(String::from_utf8(again.html).unwrap(), String::from_utf8(once.html).unwrap());
        }
    }

    #[test]
    fn without_a_change_the_page_is_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let outcome = rewrite(&compiled(), &bytes, None, "https://n.example/", &Change::default());
        prop_assert_eq!(outcome.html, bytes);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let change = Change { strip: true, ..Change::default() };
        let _ = rewrite(&compiled(), &bytes, None, "https://n.example/", &change);
    }
}
