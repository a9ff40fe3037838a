//! The articles, read from the text files under `assets/articles/`.
//!
//! A file has a head of `name: value` lines, an empty line, paragraphs parted by empty lines, and after a line
//! `== comments` one comment per line: `who | when | text`. A paragraph may be a heading (`## …`), a quotation
//! (`> …`), a list (every line `- …`), or `!video`; `*word*` is emphasis.

use super::super::html::{each, escape};

/// A section of the paper.
pub(super) struct Section {
    pub(super) slug: &'static str,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
}

/// The paper's sections.
pub(super) const SECTIONS: &[Section] = &[
    Section {
        slug: "town",
        title: "Town",
        about: "Streets, quays, and who looks after them.",
    },
    Section {
        slug: "science",
        title: "Science",
        about: "What is known, how, and what is not.",
    },
];

const SOURCES: [&str; 12] = [
    include_str!("../assets/articles/the-new-tide-clock.txt"),
    include_str!("../assets/articles/what-bees-do-in-winter.txt"),
    include_str!("../assets/articles/the-night-train-returns.txt"),
    include_str!("../assets/articles/a-lane-for-bicycles.txt"),
    include_str!("../assets/articles/two-hundred-weather-stations.txt"),
    include_str!("../assets/articles/the-library-that-lends-ladders.txt"),
    include_str!("../assets/articles/the-meadow-under-the-bay.txt"),
    include_str!("../assets/articles/the-bakery-at-two-in-the-morning.txt"),
    include_str!("../assets/articles/why-the-sea-glows.txt"),
    include_str!("../assets/articles/who-looks-after-the-lighthouse.txt"),
    include_str!("../assets/articles/counting-stars-from-the-breakwater.txt"),
    include_str!("../assets/articles/the-harbour-by-ear.txt"),
];

/// A day of the calendar; articles appear at six in the morning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Date {
    year: u32,
    month: u32,
    day: u32,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

impl Date {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-').map(str::parse);
        let (year, month, day) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
        ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(Self { year, month, day })
    }

    fn month_name(self) -> &'static str {
        MONTHS
            .get((self.month.max(1) - 1) as usize)
            .copied()
            .unwrap_or_default()
    }

    /// `2026-11-20T06:00:00Z`
    pub(super) fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}T06:00:00Z", self.year, self.month, self.day)
    }

    /// `20 November 2026`
    pub(super) fn long(self) -> String {
        format!("{} {} {}", self.day, self.month_name(), self.year)
    }

    /// `Fri, 20 Nov 2026 06:00:00 GMT` (RFC 9110 section 5.6.7)
    pub(super) fn http(self) -> String {
        // Sakamoto's day of the week: January and February count to the year before.
        let shift = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4]
            .get((self.month.max(1) - 1) as usize)
            .copied()
            .unwrap_or(0);
        let year = if self.month < 3 {
            self.year.saturating_sub(1)
        } else {
            self.year
        };
        let weekday = (year + year / 4 - year / 100 + year / 400 + shift + self.day) % 7;
        let weekday = DAYS.get(weekday as usize).copied().unwrap_or_default();
        let month = self.month_name().get(..3).unwrap_or_default();
        format!("{weekday}, {:02} {month} {:04} 06:00:00 GMT", self.day, self.year)
    }
}

/// A reader's comment.
pub(super) struct Comment {
    pub(super) who: String,
    pub(super) when: String,
    pub(super) text: String,
}

/// One article. The texts are plain, the blocks are HTML.
pub(super) struct Article {
    pub(super) slug: String,
    pub(super) section: &'static Section,
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) byline: String,
    pub(super) date: Date,
    pub(super) picture: String,
    pub(super) alt: String,
    pub(super) caption: String,
    pub(super) blocks: Vec<String>,
    pub(super) words: usize,
    pub(super) comments: Vec<Comment>,
}

impl Article {
    pub(super) fn path(&self) -> String {
        format!("/{}/{}", self.section.slug, self.slug)
    }

    fn parse(source: &str) -> Option<Self> {
        let (head, rest) = source.split_once("\n\n")?;
        let (body, comments) = rest.split_once("\n== comments\n").unwrap_or((rest, ""));
        let value = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .map(|value| value.trim().to_owned())
        };
        let section = value("section")?;
        Some(Self {
            slug: value("slug")?,
            section: SECTIONS.iter().find(|known| known.slug == section)?,
            title: value("title")?,
            summary: value("summary")?,
            byline: value("byline")?,
            date: Date::parse(&value("date")?)?,
            picture: value("picture")?,
            alt: value("alt")?,
            caption: value("caption")?,
            blocks: body
                .split("\n\n")
                .map(str::trim)
                .filter(|block| !block.is_empty())
                .map(block)
                .collect(),
            words: body.split_whitespace().count(),
            comments: comments.lines().filter_map(comment).collect(),
        })
    }
}

/// All articles, newest first.
pub(super) fn all() -> Vec<Article> {
    let mut articles: Vec<Article> = SOURCES.iter().filter_map(|source| Article::parse(source)).collect();
    articles.sort_by_key(|article| std::cmp::Reverse(article.date));
    articles
}

fn comment(line: &str) -> Option<Comment> {
    let mut parts = line.splitn(3, '|').map(|part| part.trim().to_owned());
    Some(Comment {
        who: parts.next()?,
        when: parts.next()?,
        text: parts.next()?,
    })
}

fn block(text: &str) -> String {
    if let Some(heading) = text.strip_prefix("## ") {
        return format!("<h2>{}</h2>", inline(heading));
    }
    if let Some(quotation) = text.strip_prefix("> ") {
        return format!("<blockquote><p>{}</p></blockquote>", inline(quotation));
    }
    if text == "!video" {
        return super::video::MARKUP.to_owned();
    }
    if text.starts_with("- ") {
        let items = each(text.lines(), |line| {
            format!("<li>{}</li>", inline(line.trim_start_matches("- ")))
        });
        return format!("<ul>{items}</ul>");
    }
    format!("<p>{}</p>", inline(text))
}

fn inline(text: &str) -> String {
    escape(&text.replace('\n', " "))
        .split('*')
        .enumerate()
        .map(|(index, part)| {
            if index % 2 == 1 {
                format!("<em>{part}</em>")
            } else {
                part.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_article_is_read_and_is_of_real_length() {
        let articles = all();
        assert_eq!(articles.len(), SOURCES.len());
        for article in &articles {
            assert!(
                (350..=600).contains(&article.words),
                "{}: {} words",
                article.slug,
                article.words
            );
            assert!(article.comments.len() >= 2, "{} has few comments", article.slug);
            assert!(
                super::super::pictures::SCENES
                    .iter()
                    .any(|scene| scene.name == article.picture),
                "{}",
                article.slug
            );
        }
        for section in SECTIONS {
            assert_eq!(
                articles
                    .iter()
                    .filter(|article| article.section.slug == section.slug)
                    .count(),
                6
            );
        }
    }

    #[test]
    fn a_date_is_written_as_http_wants_it() {
        assert_eq!(
            Date::parse("2026-11-24").unwrap().http(),
            "Tue, 24 Nov 2026 06:00:00 GMT"
        );
        assert_eq!(
            Date::parse("2024-02-29").unwrap().http(),
            "Thu, 29 Feb 2024 06:00:00 GMT"
        );
        assert_eq!(Date::parse("2026-13-01"), None);
    }

    #[test]
    fn paragraphs_are_escaped_and_marked_up() {
        assert_eq!(block("a <b> & *c*"), "<p>a &lt;b&gt; &amp; <em>c</em></p>");
        assert_eq!(block("- a\n- b"), "<ul><li>a</li><li>b</li></ul>");
        assert_eq!(block("## T"), "<h2>T</h2>");
    }
}
