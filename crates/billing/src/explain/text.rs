//! The two texts: what a support person can send on, and what the operator reads beside it.

use latchkey_entitlement::{AccountId, SiteId, Sites, Source, Timestamp};

use super::{
    EntitlementAnswer, Entry, FoundBy, MAX_ENTRIES, MAX_READER_ENTRIES, Question,
    history::History,
    verdict::{Given, Hindsight, Lack, Verdict},
    words::{self, sentence, site_names},
};
use crate::derive::ACCESS;

/// All that the texts are made from.
pub(super) struct Told<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) history: &'a History,
    /// As it stood at the moment.
    pub(super) account: &'a AccountId,
    pub(super) verdicts: &'a [Verdict],
    pub(super) past: &'a [Entry],
    pub(super) future: &'a [Entry],
}

/// The answer about somebody whom nobody here knows.
pub fn unknown_reader(publication: &str, named: &str) -> String {
    format!(
        "{publication}: nobody is known here as `{named}`.\n\
         A reader is named by an account (acc_…), an e-mail address, a Stripe customer or subscription (cus_…, sub_…), a device (ses_…), or\n\
         the `sub` of a pass together with its site. Somebody who paid under another address is found by their Stripe customer.\n"
    )
}

impl Told<'_> {
    fn when(&self, at: Timestamp) -> String {
        self.question.zone.moment(at)
    }

    /// The reader's part.
    pub(super) fn reader(&self) -> String {
        let question = self.question;
        let mut lines = vec![format!("{}: what you may do, and why", question.publication)];
        lines.push(format!("At {}.", self.when(question.moment)));
        if question.moment < question.now {
            lines.push("This is what we had recorded at that moment; what we learned later is said apart.".to_owned());
        } else if question.now < question.moment {
            lines.push("This moment is still to come: so it will be if nothing else happens until then.".to_owned());
        }
        for verdict in self.verdicts {
            lines.push(String::new());
            lines.push(self.head(verdict));
            lines.extend(self.reasons(verdict).into_iter().map(|line| format!("  {line}")));
        }
        if self.verdicts.is_empty() {
            lines.push(String::new());
            lines.push("Nothing is sold here, and nothing was ever given.".to_owned());
        }
        self.happened(&mut lines);
        lines.push(String::new());
        lines.join("\n")
    }

    fn head(&self, verdict: &Verdict) -> String {
        let name = words::entitlement(verdict.entitlement.as_str());
        let answer = if verdict.has { "yes" } else { "no" };
        if verdict.sites.len() == self.question.sites.len() {
            format!("{name}: {answer}.")
        } else {
            format!(
                "{name} on {}: {answer}.",
                site_names(&verdict.sites, self.question.sites)
            )
        }
    }

    /// Why, one sentence a line.
    fn reasons(&self, verdict: &Verdict) -> Vec<String> {
        let mut lines = vec![];
        if verdict.has {
            for given in &verdict.given {
                lines.extend(self.because(given));
            }
            let subscriptions = verdict
                .given
                .iter()
                .filter(|given| given.grant.source == Source::Subscription)
                .count();
            if subscriptions > 1 {
                lines.push(format!(
                    "You have {subscriptions} subscriptions for this, and one is enough: you are owed an answer about the other."
                ));
            }
            lines.push(match verdict.until {
                Some(until) => format!(
                    "Unless it is renewed or changed before, it ends on {}.",
                    self.when(until)
                ),
                None => "It has no end.".to_owned(),
            });
        }
        if let Some(lack) = &verdict.lacks {
            lines.extend(self.lacking(lack));
        }
        lines.extend(verdict.hindsight.iter().map(|known| self.known_now(known)));
        lines
    }

    fn because(&self, given: &Given) -> [String; 2] {
        let grant = &given.grant;
        [
            format!(
                "Because of {}, since {}.",
                words::source(grant.source),
                self.when(grant.from)
            ),
            format!("The rule: {}.", words::rule(grant, self.question.zone)),
        ]
    }

    fn lacking(&self, lack: &Lack) -> Vec<String> {
        match lack {
            Lack::NoAccount { made_at } => vec![format!(
                "You had no account with us yet: it was made on {}.",
                self.when(*made_at)
            )],
            Lack::Standing(standing) => {
                let end = standing.until.map_or("until it is lifted".to_owned(), |until| {
                    format!("until {}", self.when(until))
                });
                vec![
                    format!(
                        "{} counts from {}, {end}. The reason given: “{}”.",
                        sentence(words::standing(standing.kind)),
                        self.when(standing.from),
                        standing.reason
                    ),
                    "Everything else that you have stays yours.".to_owned(),
                ]
            }
            Lack::Later(given) => vec![format!(
                "It begins on {}, because of {}.",
                self.when(given.grant.from),
                words::source(given.grant.source)
            )],
            Lack::RanOut(given) if given.grant.until.is_some_and(|until| self.question.now < until) => vec![
                format!(
                    "It ends on {}, unless it is renewed or changed before. Until then you have it because of {}.",
                    given.grant.until.map_or_else(String::new, |until| self.when(until)),
                    words::source(given.grant.source)
                ),
                format!("The rule: {}.", words::rule(&given.grant, self.question.zone)),
            ],
            Lack::RanOut(given) => vec![
                format!(
                    "It ended on {}. Until then you had it because of {}, since {}.",
                    given.grant.until.map_or_else(String::new, |until| self.when(until)),
                    words::source(given.grant.source),
                    self.when(given.grant.from)
                ),
                format!("The rule: {}.", words::rule(&given.grant, self.question.zone)),
            ],
            Lack::Closed { given, at, by } => {
                let mut lines = vec![format!(
                    "It ended on {}. Until then you had it because of {}, since {}.",
                    self.when(*at),
                    words::source(given.grant.source),
                    self.when(given.grant.from)
                )];
                lines.extend(self.stripe_says(given));
                if by.is_none() && given.grant.source != Source::Subscription {
                    lines.push("It was taken back by us.".to_owned());
                }
                lines
            }
            Lack::Never => {
                let mut lines = vec!["Nothing that we have recorded gives it.".to_owned()];
                lines.extend(self.unpaid());
                lines
            }
        }
    }

    /// What Stripe said last about the subscription behind a grant that was closed.
    fn stripe_says(&self, given: &Given) -> Option<String> {
        let id = given.grant.source_ref.split('/').next()?;
        let (told, read_at) = self.history.subscriptions.iter().find(|(told, _)| told.id == id)?;
        let mut rules = ACCESS.into_iter();
        let meaning = rules.find(|rule| rule.status == told.status).map(|rule| rule.meaning)?;
        let ended = told
            .ended_at
            .map(|ended| format!(" on {}", self.when(ended)))
            .unwrap_or_default();
        Some(format!(
            "What our payment service says of that subscription, read on {}: {meaning}{ended}.",
            self.when(*read_at)
        ))
    }

    /// A purchase that was begun and, at the moment, not seen to be paid.
    fn unpaid(&self) -> Option<String> {
        let moment = self.question.moment;
        let attempts = self.history.attempts.iter();
        let last = attempts
            .filter(|attempt| attempt.created_at <= moment)
            .max_by_key(|a| a.created_at)?;
        if last.completed_at.is_some_and(|paid| paid <= moment) {
            return None;
        }
        Some(format!(
            "You began to pay on {}, and no payment has been seen for it.",
            self.when(last.created_at)
        ))
    }

    fn known_now(&self, known: &Hindsight) -> String {
        match known {
            Hindsight::RecordedLate { grant, learned_at } => format!(
                "As we know now, {} counted at that moment already, since {}: we learned of it on {}.",
                words::source(grant.source),
                self.when(grant.from),
                self.when(*learned_at)
            ),
            Hindsight::OnAnotherAccount { merged_at } => format!(
                "Another account of yours had it at that moment; both were merged on {}.",
                self.when(*merged_at)
            ),
            Hindsight::EndedBefore {
                grant,
                ended_at,
                learned_at,
            } => format!(
                "As we know now, {} had ended before that moment, on {}: we learned of it on {}.",
                words::source(grant.source),
                self.when(*ended_at),
                self.when(*learned_at)
            ),
        }
    }

    fn happened(&self, lines: &mut Vec<String>) {
        let told: Vec<(Timestamp, &String)> = self
            .past
            .iter()
            .filter_map(|entry| Some((entry.at, entry.reader.as_ref()?)))
            .collect();
        if told.is_empty() {
            return;
        }
        let skipped = told.len().saturating_sub(MAX_READER_ENTRIES);
        lines.push(String::new());
        lines.push("What happened until then:".to_owned());
        if skipped > 0 {
            lines.push(format!("  ({skipped} earlier entries are left out)"));
        }
        for (at, what) in told.into_iter().skip(skipped) {
            lines.push(format!("  {}: {what}", self.when(at)));
        }
    }

    /// One verdict for programs.
    pub(super) fn for_programs(&self, verdict: &Verdict) -> EntitlementAnswer {
        EntitlementAnswer {
            entitlement: verdict.entitlement.to_string(),
            sites: verdict.sites.clone(),
            has: verdict.has,
            until: verdict.until,
            grants: verdict.given.iter().map(|given| given.grant.id.to_string()).collect(),
            words: self.reasons(verdict),
        }
    }

    /// The operator's part.
    pub(super) fn operator(&self) -> String {
        let mut lines = vec!["For the operator".to_owned(), String::new()];
        self.identity(&mut lines);
        self.grants(&mut lines);
        self.stripe(&mut lines);
        self.devices(&mut lines);
        for list in &self.history.cut {
            lines.push(format!("  Older {list} exist and were not read."));
        }
        self.entries("The record until then, the oldest first", self.past, true, &mut lines);
        if self.question.moment < self.question.now {
            self.entries("Recorded since then", self.future, false, &mut lines);
        }
        lines.push(String::new());
        lines.join("\n")
    }

    fn identity(&self, lines: &mut Vec<String>) {
        let Question {
            asked, found_by, zone, ..
        } = self.question;
        let known = &self.history.account;
        lines.push(match found_by {
            FoundBy::Account => format!("Account {asked}"),
            FoundBy::ProvenEmail(email) => format!("Account {asked}, which has proven {email}"),
            FoundBy::UnprovenEmail(email) => {
                format!("Account {asked}, which claims {email} and has not proven it: it may be somebody else's")
            }
            FoundBy::Customer(id) | FoundBy::Subscription(id) => format!("Account {asked}, of {id}"),
            FoundBy::Session(id) => format!("Account {asked}, of device {id}"),
            FoundBy::Subject(site, subject) => format!("Account {asked}, subject {subject} on {site}"),
        });
        if **asked != known.id {
            let merge = self.history.merges.iter().find(|merge| merge.from == **asked);
            let at = merge.map(|merge| format!(" on {}", self.when(merge.merged_at)));
            lines.push(format!(
                "  It was merged into {}{}{}",
                known.id,
                at.unwrap_or_default(),
                if self.account == *asked {
                    ", after the moment asked about."
                } else {
                    ", which is explained here."
                }
            ));
        }
        for merge in &self.history.merges {
            if self.question.moment < merge.merged_at && *self.account != merge.from {
                lines.push(format!(
                    "  Another account of this reader, {}, still stood for itself then; it was merged on {}.",
                    merge.from,
                    self.when(merge.merged_at)
                ));
            }
        }
        let address = match (&known.email_proven, &known.email_unproven) {
            (Some((email, at)), _) => format!("address {email}, proven on {}", self.when(*at)),
            (None, Some(email)) => format!("address {email}, not proven"),
            (None, None) => "no address".to_owned(),
        };
        lines.push(format!("  Now: {address}; made on {}.", self.when(known.created_at)));
        lines.push(format!("  Times are in {}, with UTC beside them.", zone.name()));
    }

    fn grants(&self, lines: &mut Vec<String>) {
        lines.push(String::new());
        lines.push("Grants in the record at that moment".to_owned());
        let before = lines.len();
        for record in &self.history.grants {
            let grant = &record.grant;
            if grant.account != *self.account || !record.stood_at(self.question.moment) {
                continue;
            }
            let state = if grant.is_live(self.question.moment) {
                "counts"
            } else if self.question.moment < grant.from {
                "has not begun"
            } else {
                "has ended"
            };
            let sites = match &grant.sites {
                Sites::All => "every site".to_owned(),
                Sites::Only(sites) => words::list(&sites.iter().map(SiteId::as_str).collect::<Vec<_>>()),
            };
            let until = grant.until.map_or("without an end".to_owned(), |until| {
                format!("until {}", self.when(until))
            });
            lines.push(format!(
                "  {} {state}: {} {}, {} on {sites}, from {} {until}",
                grant.id,
                grant.source.as_str(),
                grant.source_ref,
                grant.entitlements,
                self.when(grant.from)
            ));
            let by = record
                .opened_by
                .as_ref()
                .map_or("by hand, or by another system".to_owned(), |sync| {
                    format!("by sync {sync}")
                });
            lines.push(format!(
                "    recorded {} {by}; rule: {}",
                self.question.zone.stamp(record.recorded_at),
                grant.because
            ));
        }
        if lines.len() == before {
            lines.push("  none".to_owned());
        }
    }

    fn stripe(&self, lines: &mut Vec<String>) {
        lines.push(String::new());
        lines.push("Stripe, as it was read last (what it said before is not kept)".to_owned());
        if self.history.customers.is_empty() {
            lines.push("  no customer".to_owned());
        }
        for customer in &self.history.customers {
            let mode = if customer.livemode { "live" } else { "test" };
            let read = customer.synced_at.map_or("never read".to_owned(), |at| {
                format!("read {}", self.question.zone.stamp(at))
            });
            let deleted = customer
                .deleted_at
                .map(|at| format!(", found to be deleted {}", self.question.zone.stamp(at)));
            let waits = customer
                .waits_since
                .map(|at| format!(", waits for a sync since {}", self.question.zone.stamp(at)));
            lines.push(format!(
                "  {} ({mode} mode): {read}{}{}",
                customer.id,
                deleted.unwrap_or_default(),
                waits.unwrap_or_default()
            ));
            for (told, _) in self
                .history
                .subscriptions
                .iter()
                .filter(|(told, _)| told.customer == customer.id)
            {
                let prices: Vec<&str> = told.items.iter().map(|item| item.price_id.as_str()).collect();
                let period = told.items.iter().map(|item| item.current_period_end).max();
                let period = period.map(|end| format!(", period until {}", self.when(end)));
                let stop = told.cancel_at.or_else(|| {
                    let ends = told.items.iter().map(|item| item.current_period_end).max();
                    ends.filter(|_| told.cancel_at_period_end)
                });
                let stop = stop.map(|at| format!(", set to end {}", self.when(at)));
                lines.push(format!(
                    "    {}: {}, {}{}{}",
                    told.id,
                    told.status,
                    words::list(&prices),
                    period.unwrap_or_default(),
                    stop.unwrap_or_default()
                ));
            }
        }
        for (text, raised_at) in &self.history.alerts {
            lines.push(format!(
                "  alert since {}: {text}",
                self.question.zone.stamp(*raised_at)
            ));
        }
    }

    fn devices(&self, lines: &mut Vec<String>) {
        let moment = self.question.moment;
        let signed_in =
            |device: &&super::Device| device.created_at <= moment && device.ended_at.is_none_or(|ended| moment < ended);
        let devices: Vec<_> = self.history.devices.iter().filter(signed_in).collect();
        lines.push(String::new());
        lines.push("Devices signed in at that moment".to_owned());
        if devices.is_empty() {
            lines.push("  none".to_owned());
        }
        for device in devices {
            let place = device.site.as_ref().map_or("account pages", |site| site.as_str());
            lines.push(format!(
                "  {} {place}: {}, since {}",
                device.id,
                device.label,
                self.question.zone.stamp(device.created_at)
            ));
        }
    }

    /// The entries nearest to the moment: the last ones before it, the first ones after it.
    fn entries(&self, title: &str, entries: &[Entry], newest: bool, lines: &mut Vec<String>) {
        lines.push(String::new());
        lines.push(title.to_owned());
        let left_out = entries.len().saturating_sub(MAX_ENTRIES);
        if newest && left_out > 0 {
            lines.push(format!("  ({left_out} earlier entries are left out)"));
        }
        let skipped = if newest { left_out } else { 0 };
        for entry in entries.iter().skip(skipped).take(MAX_ENTRIES) {
            lines.push(format!("  {}  {}", self.question.zone.stamp(entry.at), entry.operator));
        }
        if !newest && left_out > 0 {
            lines.push(format!("  ({left_out} later entries are left out)"));
        }
        if entries.is_empty() {
            lines.push("  nothing".to_owned());
        }
    }
}
