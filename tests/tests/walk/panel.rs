//! The sandbox's control panel, through the forms that people press.

use scraper::{Html, Selector};

use crate::{demo::Demo, equipment::eventually};

/// The panel of one demo.
pub(crate) struct Panel<'a>(pub(crate) &'a Demo);

impl Panel<'_> {
    /// Moves the clock: `hour`, `day`, `week`, `month`, or past the next `renewal` and its charge.
    pub(crate) async fn advance(&self, by: &str) {
        self.press("advance", &[("by", by)]).await;
    }

    /// How webhooks are delivered from now on; with `delay`, this many seconds late.
    pub(crate) async fn deliver(&self, mode: &str, delay_seconds: u32) {
        let delay = delay_seconds.to_string();
        self.press("mode", &[("mode", mode), ("delay_seconds", &delay)]).await;
    }

    /// Lets the next calls of the API fail.
    pub(crate) async fn fail_calls(&self, times: u32, fault: &str) {
        self.press("faults", &[("times", &times.to_string()), ("fault", fault)])
            .await;
    }

    /// Sends every event again, in the mode that is set.
    pub(crate) async fn resend_all(&self) {
        for (event, _) in self.events().await {
            self.press("resend", &[("event", &event), ("how", "plain")]).await;
        }
    }

    /// How many events there are.
    pub(crate) async fn count_events(&self) -> usize {
        self.events().await.len()
    }

    /// How many deliveries say `word`: delivered, dropped, pending.
    pub(crate) async fn deliveries(&self, word: &str) -> usize {
        let events = self.events().await;
        events.iter().map(|(_, shown)| shown.matches(word).count()).sum()
    }

    /// Waits until no delivery is under way.
    pub(crate) async fn settled(&self) {
        eventually("every webhook has been delivered", async || {
            self.deliveries("pending").await == 0
        })
        .await;
    }

    /// Each event's id and what the panel says of its deliveries, the newest first.
    async fn events(&self) -> Vec<(String, String)> {
        let row = Selector::parse("tr:has(a[href^='/control/event/'])").expect("a selector");
        let (link, cells) = (Selector::parse("a"), Selector::parse("td"));
        let (link, cells) = (link.expect("a selector"), cells.expect("a selector"));
        let page = Html::parse_document(&self.0.text("stripe", "/control").await);
        page.select(&row)
            .map(|row| {
                let href = row.select(&link).next().and_then(|link| link.attr("href"));
                let id = href.and_then(|href| href.rsplit('/').next()).expect("an event's id");
                let deliveries = row.select(&cells).nth(3).expect("a cell of deliveries");
                (id.to_owned(), deliveries.text().collect())
            })
            .collect()
    }

    async fn press(&self, act: &str, fields: &[(&str, &str)]) {
        let page = Html::parse_document(&self.0.text("stripe", "/control").await);
        let token = Selector::parse("input[name=token]").expect("a selector");
        let token = page.select(&token).next().and_then(|field| field.attr("value"));
        let mut form = vec![("token", token.expect("the panel's token"))];
        form.extend(fields);
        let url = self.0.url("stripe", &format!("/control/{act}"));
        let answer = self.0.http().post(url).form(&form).send().await.expect("an answer");
        assert!(
            answer.status().is_success(),
            "the panel refused {act} {fields:?}: {}",
            answer.status()
        );
    }
}
