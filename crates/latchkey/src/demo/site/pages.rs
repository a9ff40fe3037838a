//! The pages of the site, each a small function from what it shows to HTML.

use super::super::hosts::DemoHosts;
use super::super::html::{each, escape, fill};
use super::articles::{Article, Section};
use super::template::{Ad, Page, Template, nonce_attribute};

const NOTICES: &str = include_str!("../assets/notices.html");
const LIVE_DESK: &str = include_str!("../assets/live_desk.html");
const COMMENT_FORM: &str = include_str!("../assets/comment_form.html");

/// Path, title and text of the pages about the paper.
pub(super) const ABOUT: &[(&str, &str, &str)] = &[
    ("/about", "About The Harbour Post", include_str!("../assets/about.html")),
    (
        "/about/republishing",
        "Republishing our articles",
        include_str!("../assets/republishing.html"),
    ),
    (
        "/about/commenting-rules",
        "Commenting rules",
        include_str!("../assets/commenting_rules.html"),
    ),
];

/// How many stories the side column names.
const MORE_STORIES: usize = 4;

fn picture(name: &str, alt: &str, eager: bool) -> String {
    let loading = if eager {
        "fetchpriority=\"high\""
    } else {
        "loading=\"lazy\""
    };
    format!(
        "<img src=\"/pictures/{}.svg\" width=\"1200\" height=\"675\" alt=\"{}\" {loading}>",
        escape(name),
        escape(alt)
    )
}

fn teaser(article: &Article, eager: bool) -> String {
    format!(
        "<article class=\"teaser\">{}<div><p class=\"kicker\">{}</p><h3><a href=\"{}\">{}</a></h3><p>{}</p>\
         <p class=\"meta\"><time datetime=\"{}\">{}</time> · {} min</p></div></article>\n",
        picture(&article.picture, "", eager),
        article.section.title,
        article.path(),
        escape(&article.title),
        escape(&article.summary),
        article.date.iso(),
        article.date.long(),
        minutes(article)
    )
}

/// Reading time at 200 words a minute, at least one.
fn minutes(article: &Article) -> usize {
    article.words.div_ceil(200).max(1)
}

/// The side column: ads, and other stories between them.
fn side(template: &Template, nonce: Option<&str>, stories: &str, long: bool) -> String {
    let more = if long {
        template.ad(Ad::SidebarMore, nonce)
    } else {
        String::new()
    };
    format!(
        "</main>\n<aside class=\"side\" aria-label=\"More from the paper\">\n{}{stories}{more}</aside>",
        template.ad(Ad::Sidebar, nonce)
    )
}

fn more_stories<'a>(articles: impl Iterator<Item = &'a Article>) -> String {
    let links = each(articles.take(MORE_STORIES), |article| {
        format!("<li><a href=\"{}\">{}</a></li>", article.path(), escape(&article.title))
    });
    format!("<section class=\"more\"><h2>More stories</h2><ul>{links}</ul></section>\n")
}

/// The front page: one large story, then the sections, with an ad between them.
pub(super) fn front(template: &Template, articles: &[Article]) -> String {
    let mut main = String::from("<h1 class=\"unseen\">The Harbour Post: today</h1>\n");
    let (lead, rest) = articles.split_at(articles.len().min(1));
    main += &each(lead, |article| {
        format!("<div class=\"lead\">{}</div>\n", teaser(article, true))
    });
    for (index, section) in super::articles::SECTIONS.iter().enumerate() {
        let own = rest.iter().filter(|article| article.section.slug == section.slug);
        let stories = each(own, |article| teaser(article, false));
        let section = format!(
            "<section aria-labelledby=\"of-{0}\"><h2 class=\"rule\" id=\"of-{0}\"><a href=\"/{0}\">{1}</a></h2>\
             <div class=\"grid\">\n{stories}</div></section>\n",
            section.slug, section.title
        );
        main.push_str(&section);
        main.push_str(&template.ad(if index == 0 { Ad::Linked } else { Ad::Below }, None));
    }
    main.push_str(&side(template, None, &more_stories(articles.iter()), true));
    template.page(&Page {
        title: "News from the quay",
        description: "Town and science, from a harbour that does not exist.",
        path: "/",
        section: "home",
        kind: "front",
        head: "",
        main: &main,
        marks_calls: false,
        nonce: None,
    })
}

/// A section's page.
pub(super) fn section(template: &Template, section: &Section, articles: &[Article]) -> String {
    let (own, others): (Vec<&Article>, Vec<&Article>) = articles
        .iter()
        .partition(|article| article.section.slug == section.slug);
    let mut main = format!(
        "<h1>{}</h1><p class=\"standfirst\">{}</p>\n<div class=\"grid\">\n",
        section.title, section.about
    );
    for (index, article) in own.iter().enumerate() {
        main.push_str(&teaser(article, index < 2));
    }
    main.push_str("</div>\n");
    main.push_str(&template.ad(Ad::Adsense, None));
    main.push_str(&template.ad(Ad::Below, None));
    main.push_str(&side(template, None, &more_stories(others.into_iter()), true));
    template.page(&Page {
        title: section.title,
        description: section.about,
        path: &format!("/{}", section.slug),
        section: section.slug,
        kind: "section",
        head: "",
        main: &main,
        marks_calls: false,
        nonce: None,
    })
}

/// One article with its ads, notices and comments.
pub(super) fn article(template: &Template, article: &Article, articles: &[Article]) -> String {
    let address = template.address(&article.path());
    let mut main = format!(
        "<article class=\"story\">\n<header><p class=\"kicker\"><a href=\"/{}\">{}</a></p><h1>{}</h1>\
         <p class=\"standfirst\">{}</p><p class=\"meta\">By {} · <time datetime=\"{}\">{}</time> · {} min</p></header>\n\
         <figure>{}<figcaption>{}</figcaption></figure>\n<div class=\"body\">\n",
        article.section.slug,
        article.section.title,
        escape(&article.title),
        escape(&article.summary),
        escape(&article.byline),
        article.date.iso(),
        article.date.long(),
        minutes(article),
        picture(&article.picture, &article.alt, true),
        escape(&article.caption),
    );
    main.push_str(&blocks_with_ads(template, &article.blocks));
    main.push_str("</div>\n");
    main.push_str(&fill(
        NOTICES,
        &[("address", &address), ("title", &escape(&article.title))],
    ));
    main.push_str("</article>\n");
    main.push_str(&template.ad(Ad::Below, None));
    main.push_str(&comments(article));
    let others = articles.iter().filter(|other| other.slug != article.slug);
    main.push_str(&side(template, None, &more_stories(others), true));
    template.page(&Page {
        title: &article.title,
        description: &article.summary,
        path: &article.path(),
        section: article.section.slug,
        kind: "article",
        head: &structured(article, &address),
        main: &main,
        marks_calls: false,
        nonce: None,
    })
}

/// The text, with an ad after every second paragraph while there are ads, and the sticky one at the end. No ad follows
/// a heading.
fn blocks_with_ads(template: &Template, blocks: &[String]) -> String {
    let mut ads = [Ad::Adsense, Ad::Gpt, Ad::Linked].into_iter();
    let mut paragraphs = 0_u32;
    let text = blocks.iter().fold(String::new(), |mut text, block| {
        text += block;
        text.push('\n');
        if block.starts_with("<p>") {
            paragraphs += 1;
            if paragraphs.is_multiple_of(2)
                && let Some(ad) = ads.next()
            {
                text += &template.ad(ad, None);
            }
        }
        text
    });
    text + &template.ad(Ad::Sticky, None)
}

/// What search engines read. It is not an ad, and stays.
fn structured(article: &Article, address: &str) -> String {
    let data = serde_json::json!({
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": article.title,
        "description": article.summary,
        "datePublished": article.date.iso(),
        "author": {"@type": "Organization", "name": article.byline},
        "publisher": {"@type": "Organization", "name": "The Harbour Post"},
        "mainEntityOfPage": address,
        "isAccessibleForFree": true
    });
    format!(
        "<script type=\"application/ld+json\">{}</script>\n",
        data.to_string().replace('<', "\\u003c")
    )
}

fn comments(article: &Article) -> String {
    let items = each(&article.comments, |comment| {
        format!(
            "<li><p class=\"who\"><b>{}</b> <span class=\"meta\">{}</span></p><p>{}</p></li>\n",
            escape(&comment.who),
            escape(&comment.when),
            escape(&comment.text)
        )
    });
    format!(
        "<section class=\"comments\" id=\"comments\" aria-labelledby=\"comments-title\">\
         <h2 id=\"comments-title\">{} comments</h2>\n<ol>\n{items}</ol>\n{COMMENT_FORM}</section>\n",
        article.comments.len()
    )
}

/// A page about the paper. The first of them says where calls to readers go; on all others they go where the body
/// begins and ends.
pub(super) fn about(template: &Template, path: &str, title: &str, body: &str) -> String {
    let mut main = format!(
        "<article class=\"story\"><h1>{}</h1><div class=\"body\">\n{body}\n",
        escape(title)
    );
    main.push_str(&template.ad(Ad::Adsense, None));
    main.push_str("</div></article>\n");
    main.push_str(&side(template, None, "", false));
    template.page(&Page {
        title,
        description: "About a paper that does not exist.",
        path,
        section: "about",
        kind: "about",
        head: "",
        main: &main,
        marks_calls: path == "/about",
        nonce: None,
    })
}

/// The live desk: under a policy that names `nonce`.
pub(super) fn live_desk(template: &Template, nonce: &str) -> String {
    let mut main = fill(LIVE_DESK, &[("nonce", &nonce_attribute(Some(nonce)))]);
    main.push_str(&template.ad(Ad::Adsense, Some(nonce)));
    main.push_str(&side(template, Some(nonce), "", false));
    template.page(&Page {
        title: "Live desk",
        description: "The gauge on the quay, as it reads now.",
        path: "/live-desk",
        section: "live",
        kind: "live",
        head: "",
        main: &main,
        marks_calls: false,
        nonce: Some(nonce),
    })
}

/// The page for paths that do not exist. It has ads too, as such pages have.
pub(super) fn not_found(template: &Template) -> String {
    let mut main = String::from(
        "<h1>There is no such page</h1><p>The tide may have taken it. <a href=\"/\">Back to the front page</a>.</p>\n",
    );
    main.push_str(&side(template, None, "", false));
    template.page(&Page {
        title: "No such page",
        description: "There is no such page.",
        path: "/",
        section: "none",
        kind: "error",
        head: "<meta name=\"robots\" content=\"noindex\">\n",
        main: &main,
        marks_calls: false,
        nonce: None,
    })
}

/// The Atom feed.
pub(super) fn feed(hosts: &DemoHosts, articles: &[Article]) -> String {
    let site = format!("http://{}", hosts.site);
    let updated = articles.first().map(|article| article.date.iso()).unwrap_or_default();
    let entries = each(articles, |article| {
        let address = format!("{site}{}", article.path());
        format!(
            "<entry><title>{}</title><link href=\"{address}\"/><id>{address}</id><updated>{}</updated>\
             <author><name>{}</name></author><category term=\"{}\"/><summary>{}</summary></entry>\n",
            escape(&article.title),
            article.date.iso(),
            escape(&article.byline),
            article.section.slug,
            escape(&article.summary)
        )
    });
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\
         <title>The Harbour Post</title><link href=\"{site}/\"/><link rel=\"self\" href=\"{site}/feed.xml\"/>\
         <id>{site}/</id><updated>{updated}</updated>\n{entries}</feed>\n"
    )
}
