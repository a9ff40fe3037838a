//! The command line: names, help and exit codes.

use std::path::PathBuf;

use crate::month::Month;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

/// How a command ended; the process's exit code (docs/CONTRACT.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Failed while doing it.
    Failed = 1,
    /// The configuration cannot be used. Wrong usage is 2 and comes from the parser of the command line.
    Configuration = 3,
    /// Done, and something was found that somebody should look at.
    Findings = 4,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::from(0),
            Exit::Failed => Self::from(1),
            Exit::Configuration => Self::from(3),
            Exit::Findings => Self::from(4),
        }
    }
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 configuration, 4 findings.

Start with `latchkey init`, fill in latchkey.toml, then `latchkey config check --online`.";

/// Ad-free subscriptions for publishers: readers pay through Stripe, proxies strip the ads.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version, about, after_help = AFTER_HELP, max_term_width = 100, propagate_version = true)]
pub(crate) struct Cli {
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = crate::config::DEFAULT_FILE, value_hint = ValueHint::FilePath)]
    pub(crate) config: PathBuf,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented configuration to start from.
    Init(Init),
    /// Look at the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Run the account origin: support page, sign-in, accounts, webhooks, and what edges need.
    Serve(Serve),
    /// Run the proxy before the sites.
    Edge(EdgeArgs),
    /// Bring the database up to date.
    Migrate,
    /// Look at the keys that sign passes, or begin a rotation.
    #[command(subcommand, after_help = KEYS_HELP)]
    Keys(KeysCommand),
    /// Ban a reader from commenting. What they paid for stays theirs.
    Ban(Ban),
    /// Lift every ban, suspension and warning of a reader.
    Unban(Unban),
    /// What subscriptions bring in, who came and went, what was collected: month by month.
    Figures(FiguresArgs),
    /// Invoices and taxes, for bookkeeping.
    Invoices(InvoicesArgs),
    /// Say what a reader may do and why, now or at any moment, in words to be sent on.
    Explain(Explain),
    /// Give a reader something, without a payment.
    Grant(Grant),
    /// Take back what `latchkey grant` or another system gave.
    Revoke(Revoke),
    /// What a reader has: where it comes from, from when until when, and why.
    Grants(Grants),
    /// How the instance stands, and whether something needs a person.
    Status(StatusArgs),
    /// Compare what is stored with what Stripe says, and repair what differs.
    Reconcile(ReconcileArgs),
    /// Stripe's events: what waits, what was given up and why, and putting it back.
    Inbox(InboxArgs),
    /// Letters and other effects: what was given up and why, and putting it back.
    Outbox(OutboxArgs),
    /// A news site full of ads, a Stripe of its own and everything between, on this machine.
    #[cfg(feature = "demo")]
    Demo(Demo),
    /// Set up an account at Stripe, and work with it from a laptop.
    #[command(subcommand)]
    Stripe(StripeCommand),
    /// Look at everything that an instance needs, and say how to mend what is not in order.
    Doctor(Doctor),
    /// Take the ads out of HTML, with the same engine as the edge's.
    Strip(Strip),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Overwrite a file that is there.
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check file and environment, and print the values in effect; secrets are not printed.
    Check(ConfigCheck),
    /// Print the text of .env.example: every variable that Latchkey reads.
    EnvExample,
}

const CHECK_HELP: &str = "\
Examples:
  latchkey config check            what is wrong in file and environment; nothing else is touched
  latchkey config check --online   and whether what they name works

What --online tries, one line each as it goes:
  database          is reached, has this program's version, and can be written to
  Stripe key        is accepted; its mode and its account
  price ...         exists, is active, and bills the amount, currency and interval of the file
  webhook secret    is there, and has the form of one
  mail server       is reached, greets, protects the connection, and takes user and password
  origin of ...     the web server behind the edge answers
  account origin    whether anything answers there yet

Each line says `ok`, `finding` with what to do, `note` for what may be right as it is, or `skipped`.
It only reads at Stripe, sends no letter, and changes nothing in the database. What does not answer
is given up: the database after 15 s, Stripe after 25 s a call, the rest after 10 s.
Exit codes: 0 in order, 3 the file cannot be used, 4 findings.";

#[derive(Debug, Args)]
#[command(after_help = CHECK_HELP)]
pub(crate) struct ConfigCheck {
    /// Also try the database, Stripe, the mail server and the origins that are named.
    #[arg(long)]
    pub(crate) online: bool,
}

const SERVE_HELP: &str = "\
Examples:
  latchkey serve                 the account origin alone; edges run elsewhere
  latchkey serve --edge          everything in one process
  DATABASE_URL=postgres://latchkey@db/latchkey latchkey serve";

#[derive(Debug, Args)]
#[command(after_help = SERVE_HELP)]
pub(crate) struct Serve {
    /// Run the edge in the same process too.
    #[arg(long)]
    pub(crate) edge: bool,
}

const EDGE_HELP: &str = "\
Examples:
  latchkey edge                  the proxy before the sites of latchkey.toml
  latchkey edge --auth-only      only /.latchkey/auth and its like, for nginx's auth_request and others

It needs LATCHKEY_EDGE_TOKEN, the same as the server's, and [edge] bundle_key, which `latchkey keys list` prints there.";

#[derive(Debug, Args)]
#[command(after_help = EDGE_HELP)]
pub(crate) struct EdgeArgs {
    /// Only answer /.latchkey/…, for a proxy that asks with a sub-request; no origin is asked and nothing is stripped.
    #[arg(long)]
    pub(crate) auth_only: bool,
}

const KEYS_HELP: &str = "\
Examples:
  latchkey keys list             state, algorithm and thumbprint of each key, and the thumbprint that edges pin
  latchkey keys rotate           a new key signs in ten minutes; passes of the old one stay good";

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// List keys: state, algorithm, thumbprint.
    List,
    /// Begin a rotation: a new key is published now and signs ten minutes later.
    Rotate,
}

const BAN_HELP: &str = "\
Examples:
  latchkey ban reader@publisher.example --reason \"Threats against other readers\" --days 30
  latchkey ban acc_0197f0b2-7c1e-7000-8000-000000000001 --reason Spam --site sit_news";

#[derive(Debug, Args)]
#[command(after_help = BAN_HELP)]
pub(crate) struct Ban {
    /// The reader: an account id, or a proven e-mail address.
    pub(crate) reader: String,
    /// Why, as the reader is told.
    #[arg(long)]
    pub(crate) reason: String,
    /// For how many days; without it until lifted.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) days: Option<u32>,
    /// On one site only.
    #[arg(long, value_name = "SITE")]
    pub(crate) site: Option<String>,
    /// Who decides.
    #[arg(long, value_name = "NAME", default_value = "command line")]
    pub(crate) moderator: String,
}

#[derive(Debug, Args)]
pub(crate) struct Unban {
    /// The reader: an account id, or a proven e-mail address.
    pub(crate) reader: String,
    /// On one site only.
    #[arg(long, value_name = "SITE")]
    pub(crate) site: Option<String>,
}

const FIGURES_HELP: &str = "\
Examples:
  latchkey figures                                the last twelve months, with a plot
  latchkey figures --from 2026-01 --to 2026-06    the first half of a year
  latchkey figures --plan pln_supporter --csv > supporter.csv

What each figure means:
  recurring   what each subscription in force costs, without taxes and after discounts, brought to a
              month (a year is twelve), at the end of the month
  new         of it, readers who never had any before; back: who had some once
  up, down    what readers who stayed pay more, or less
  gone        what readers who left paid
  tries       trials that began, and how many ended in a payment
  failed      invoices whose collection failed at first; saved: paid after a retry
  collected   what invoices paid in the month were paid with; net: less taxes and credit notes

recurring = recurring of the month before + new + back + up - down - gone, exactly.
Months are those of UTC; the running one goes up to now. Amounts of two currencies are never added up.
docs/FIGURES.md has each definition in full.";

#[derive(Debug, Args)]
#[command(after_help = FIGURES_HELP)]
pub(crate) struct FiguresArgs {
    /// First month, as 2026-01.
    #[arg(long, value_name = "MONTH", value_parser = Month::parse)]
    pub(crate) from: Option<Month>,
    /// Last month, as 2026-12; the running one if left out.
    #[arg(long, value_name = "MONTH", value_parser = Month::parse)]
    pub(crate) to: Option<Month>,
    /// Of one plan alone.
    #[arg(long, value_name = "PLAN")]
    pub(crate) plan: Option<String>,
    /// Comma-separated values, one line a month and currency, amounts in minor units.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    /// The same as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

const EXPLAIN_HELP: &str = "\
Examples:
  latchkey explain reader@publisher.example
  latchkey explain sub_1Qx --at \"2026-11-24 14:00\"
  latchkey explain acc_0197f0b27c1e70008000000000000001 --at \"3 days ago\" --for-reader

A reader is an account (acc_…), an e-mail address, proven or not, a Stripe customer or subscription (cus_…, sub_…), a
device (ses_…, the `sid` of a pass), or with --site the `sub` of a pass, for which LATCHKEY_SEAL_KEY is needed.
Exit code 4: nobody is known by that name.";

#[derive(Debug, Args)]
#[command(after_help = EXPLAIN_HELP)]
pub(crate) struct Explain {
    /// The reader: an account, an address, a Stripe customer or subscription, a device, or the `sub` of a pass.
    pub(crate) reader: String,
    /// At which moment: RFC 3339, `2026-11-24`, `2026-11-24 14:00` in your time zone, or `3 days ago`; without it now.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// On one site only.
    #[arg(long, value_name = "SITE")]
    pub(crate) site: Option<String>,
    /// Only the part to be sent on, without ids.
    #[arg(long, conflicts_with = "json")]
    pub(crate) for_reader: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

const INVOICES_HELP: &str = "\
Examples:
  latchkey invoices taxes --from 2026-10 --to 2026-12    by month, country and rate, to hand in
  latchkey invoices list --from 2026-11 > november.csv   one line an invoice
  latchkey invoices fetch                                read older ones from Stripe once more

Amounts are minor units of the currency (cents), as Stripe calculated them; months are those of UTC, by the moment
of payment. A reader is named by the Stripe customer, never by name or address.";

#[derive(Debug, Args)]
#[command(after_help = INVOICES_HELP)]
pub(crate) struct InvoicesArgs {
    #[command(subcommand)]
    pub(crate) command: InvoicesCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum InvoicesCommand {
    /// Every invoice that was paid, as CSV.
    List(Months),
    /// Paid amounts by month, currency, country and tax rate, as CSV.
    Taxes(Months),
    /// Have all invoices read from Stripe once more; the running server does it within minutes.
    Fetch,
}

/// Whole months.
#[derive(Debug, Args)]
pub(crate) struct Months {
    /// First month, as 2026-01; the running one if left out.
    #[arg(long, value_name = "MONTH", value_parser = Month::parse)]
    pub(crate) from: Option<Month>,
    /// Last month, as 2026-12; the running one if left out.
    #[arg(long, value_name = "MONTH", value_parser = Month::parse)]
    pub(crate) to: Option<Month>,
}

const GRANT_HELP: &str = "\
Examples:
  latchkey grant ada@reader.example --entitlements ad_free --for \"1 month\" --because \"Won the quiz\"
  latchkey grant acc_0197f0b2-7c1e-7000-8000-000000000001 --entitlements \"ad_free articles\" \\
    --until 2027-01-31 --because Staff
  latchkey grant ada@reader.example --entitlements ad_free --without-end --because \"Life member\"

An address that nobody has proven yet waits, and is given at the first proof.
What the reader has bought as a length of time waits meanwhile: nothing of it is lost.";

#[derive(Debug, Args)]
#[command(after_help = GRANT_HELP)]
#[command(group(clap::ArgGroup::new("end").required(true)))]
#[command(override_usage = "latchkey grant READER --entitlements NAMES --because WORDS
                      (--until DAY | --for TIME | --without-end) [--site SITE]")]
pub(crate) struct Grant {
    /// The reader: an account id, or an e-mail address.
    pub(crate) reader: String,
    /// What they may do: names separated by spaces.
    #[arg(long, value_name = "NAMES", value_parser = latchkey_entitlement::Scope::parse)]
    pub(crate) entitlements: latchkey_entitlement::Scope,
    /// Until when: a day, which counts to its end in the time_zone of the configuration, or a moment as in RFC 3339.
    #[arg(long, value_name = "DAY", group = "end")]
    pub(crate) until: Option<String>,
    /// For how long from now: 24h, 7d, 1 month, 1 year.
    #[arg(long = "for", value_name = "TIME", group = "end")]
    pub(crate) lasting: Option<latchkey_entitlement::Span>,
    /// Until it is revoked.
    #[arg(long, group = "end")]
    pub(crate) without_end: bool,
    /// Why, in words that the reader may see.
    #[arg(long, value_name = "WORDS")]
    pub(crate) because: String,
    /// On this site only; may be given several times.
    #[arg(long, value_name = "SITE")]
    pub(crate) site: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// The grant: its id (grt_…) as `latchkey grants` prints it, or SOURCE/ID of one that waits for a proof.
    pub(crate) grant: String,
}

#[derive(Debug, Args)]
pub(crate) struct Grants {
    /// The reader: an account id, or an e-mail address.
    pub(crate) reader: String,
}

const STATUS_HELP: &str = "\
Examples:
  latchkey status            for people; each finding says what to do
  latchkey status --json     for programs: counts, and moments in milliseconds since 1970

Exit codes: 0 in order, 4 something needs a person.";

#[derive(Debug, Args)]
#[command(after_help = STATUS_HELP)]
pub(crate) struct StatusArgs {
    /// As JSON; `needs_a_person` lists the findings.
    #[arg(long)]
    pub(crate) json: bool,
}

const RECONCILE_HELP: &str = "\
Examples:
  latchkey reconcile                    read the events that no webhook brought, and sync whom they concern
  latchkey reconcile --full --dry-run   compare everything that Stripe lists, and only count
  latchkey reconcile --full             the same, and read again from Stripe what differs
  latchkey reconcile list --all         what such walks found: what Stripe said, what was here, when it was repaired

A full round costs one call for a hundred subscriptions and one for a hundred customers. Stopped, it goes on where it was.
The running server does both by itself: [server] reconcile_minutes and reconcile_full_hours.
Exit codes: 0 in order, 4 something differs still.";

#[derive(Debug, Args)]
#[command(after_help = RECONCILE_HELP, args_conflicts_with_subcommands = true)]
pub(crate) struct ReconcileArgs {
    /// Walk through all that Stripe lists, not only through what happened.
    #[arg(long)]
    pub(crate) full: bool,
    /// Only count what differs; with --full.
    #[arg(long, requires = "full")]
    pub(crate) dry_run: bool,
    #[command(subcommand)]
    pub(crate) command: Option<ReconcileCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ReconcileCommand {
    /// List differences that were found, the newest first.
    List {
        /// Those that were repaired, too.
        #[arg(long)]
        all: bool,
        /// How many at most.
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
    },
}

const INBOX_HELP: &str = "\
Examples:
  latchkey inbox                        how many wait, how many were given up, and how old the oldest is
  latchkey inbox list --state failed    the dead letters
  latchkey inbox show evt_1             one event as Stripe sent it, why it failed, and what to do
  latchkey inbox replay evt_1           put it back; the running server works it off within seconds
  latchkey inbox replay --all           the same for everything that was given up

An event is a hint: what is true is read from Stripe when it is worked off. So putting one back twice, or too late, does
no harm. Exit codes: 0 in order, 1 there is no such event, 4 something needs a person.";

#[derive(Debug, Args)]
#[command(after_help = INBOX_HELP)]
pub(crate) struct InboxArgs {
    #[command(subcommand)]
    pub(crate) command: Option<InboxCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum InboxCommand {
    /// List events, the newest first.
    List(Listed),
    /// One event as it came, why it failed, and what to do. It may hold personal data.
    Show {
        /// The event, as `latchkey inbox list` names it.
        event: String,
    },
    /// Put back what was given up.
    Replay(Replayed),
}

/// Which rows of a queue.
#[derive(Debug, Args)]
pub(crate) struct Listed {
    /// Only those in this state.
    #[arg(long, value_enum)]
    pub(crate) state: Option<QueueState>,
    /// How many at most.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) limit: u32,
}

/// Where something stands in a queue.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum QueueState {
    /// Waits, or is being done.
    Pending,
    /// Done.
    Done,
    /// Given up: a dead letter.
    Failed,
}

/// What is put back.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Replayed {
    /// One, as it is listed.
    #[arg(value_name = "ID")]
    pub(crate) one: Option<String>,
    /// Everything that was given up.
    #[arg(long)]
    pub(crate) all: bool,
}

const OUTBOX_HELP: &str = "\
Examples:
  latchkey outbox list --state failed   what was given up, and why
  latchkey outbox replay 17             put it back; the running server does it within seconds
  latchkey outbox replay --all

What an effect needs (addresses among it) is not shown.";

#[derive(Debug, Args)]
#[command(after_help = OUTBOX_HELP)]
pub(crate) struct OutboxArgs {
    #[command(subcommand)]
    pub(crate) command: OutboxCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum OutboxCommand {
    /// List effects, the newest first.
    List(Listed),
    /// Put back what was given up.
    Replay(Replayed),
}

#[cfg(feature = "demo")]
const DEMO_HELP: &str = "\
Examples:
  latchkey demo
  latchkey demo --port 9000 --data /tmp/demo
  latchkey demo --origin https://www.publisher.example/ --filter-list easylist.txt";

/// What the demo is started with.
#[cfg(feature = "demo")]
#[derive(Debug, Args)]
#[command(after_help = DEMO_HELP)]
pub(crate) struct Demo {
    /// Port for all of the demo's hosts.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// Where the demo keeps its data; the next start goes on with it.
    #[arg(long, value_name = "DIR", default_value = ".latchkey/demo", value_hint = ValueHint::DirPath)]
    pub(crate) data: PathBuf,
    /// Put the demo before a real site instead of its own.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, value_parser = address_of_site)]
    pub(crate) origin: Option<url::Url>,
    /// Certificates (PEM) of an authority of your own that signed the real site's certificate.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "origin")]
    pub(crate) origin_ca: Option<PathBuf>,
    /// Connect to this address, whatever the real site's name resolves to: for one that is not public yet.
    #[arg(long, value_name = "IP:PORT", requires = "origin")]
    pub(crate) origin_address: Option<std::net::SocketAddr>,
    /// A filter list in EasyList syntax; may be given several times.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) filter_list: Vec<PathBuf>,
}

/// An address with http or https and a host.
fn address_of_site(text: &str) -> Result<url::Url, String> {
    match url::Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => Ok(url),
        _ => Err("not the address of a site; write it like https://www.publisher.example/".to_owned()),
    }
}

const SETUP_HELP: &str = "\
Examples:
  latchkey stripe setup --dry-run                         what is there, what would be made, what differs
  latchkey stripe setup --write --secret-file whsec.txt   make it, write the ids into latchkey.toml and the secret into a file

Products and prices of [[plan]], a configuration of the portal, and the webhook endpoint of the account origin are
found or made, however often it runs and wherever it stopped before. A price that bills another amount is never
changed: those who pay it agreed to it. The endpoint's signing secret is shown by Stripe once, when it is made.
Exit codes: 0 done, 1 failed, 3 configuration, 4 something differs and is for you to decide.";

#[derive(Debug, Subcommand)]
pub(crate) enum StripeCommand {
    /// Find or make products, prices, the portal's configuration and the webhook endpoint.
    Setup(StripeSetup),
    /// Pull Stripe's events into the inbox: for a machine that Stripe cannot reach.
    Listen(StripeListen),
    /// Record what Stripe's test mode answers to a fixed list of calls, to compare the sandbox with.
    Record(StripeRecord),
    /// Play a recording to the sandbox, and say where its answers differ.
    #[cfg(feature = "demo")]
    Replay(StripeReplay),
}

#[derive(Debug, Args)]
#[command(after_help = SETUP_HELP)]
pub(crate) struct StripeSetup {
    /// Only say what would be done.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Make and change things in live mode without asking.
    #[arg(long)]
    pub(crate) yes: bool,
    /// Write ids that Stripe gave into the configuration file; comments stay.
    #[arg(long)]
    pub(crate) write: bool,
    /// Write the signing secret of a new endpoint into a new file that its owner alone can read.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) secret_file: Option<PathBuf>,
    /// Print the signing secret of a new endpoint.
    #[arg(long, conflicts_with = "secret_file")]
    pub(crate) print_secret: bool,
}

const LISTEN_HELP: &str = "\
Examples:
  latchkey stripe listen                  events go into the inbox of this database, as if they had been delivered
  latchkey stripe listen --forward-to http://account.localhost:8300/webhooks/stripe

It begins with what happens from now on, and later where it was. Ctrl-C stops it. It may run beside `latchkey serve`.";

#[derive(Debug, Args)]
#[command(after_help = LISTEN_HELP)]
pub(crate) struct StripeListen {
    /// Sign each event with the first of STRIPE_WEBHOOK_SECRETS and post it there, instead of keeping it; on this machine only.
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) forward_to: Option<url::Url>,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=3600))]
    pub(crate) every: u16,
    /// Begin with everything that Stripe still has (30 days).
    #[arg(long)]
    pub(crate) all: bool,
    /// Stop once nothing new is left.
    #[arg(long)]
    pub(crate) once: bool,
}

const RECORD_HELP: &str = "\
Examples:
  latchkey stripe record --out stripe.jsonl    what Stripe's test mode answers, one call a line
  latchkey stripe replay stripe.jsonl          the same calls to the sandbox, and where its answers differ

It needs a test key, makes a customer, a price, a subscription with Stripe's test card and a refund, and deletes
or archives them again. Nothing in it moves money. Read the file before you give it away: keys, addresses, names,
card numbers, addresses of pages and everything that is not known to be harmless are taken out, ids are numbered.";

#[derive(Debug, Args)]
#[command(after_help = RECORD_HELP)]
pub(crate) struct StripeRecord {
    /// The recording: a new file, one call a line. Keys, addresses, names, card numbers and tokens are taken out.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: PathBuf,
}

#[cfg(feature = "demo")]
#[derive(Debug, Args)]
#[command(after_help = RECORD_HELP)]
pub(crate) struct StripeReplay {
    /// A recording that `latchkey stripe record` wrote.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) recording: PathBuf,
}

const DOCTOR_HELP: &str = "\
Examples:
  latchkey doctor          one line each: ok, finding (with what to do), note, skipped
  latchkey doctor --json   the same for a program

Every check runs, whatever became of those before it, and each is given up after half a minute. Nothing is changed.
Exit codes: 0 in order, 3 the file cannot be used, 4 findings.";

#[derive(Debug, Args)]
#[command(after_help = DOCTOR_HELP)]
pub(crate) struct Doctor {
    /// Print a JSON list.
    #[arg(long)]
    pub(crate) json: bool,
}

const STRIP_HELP: &str = "\
Examples:
  latchkey strip page.html > clean.html
  curl -s https://www.publisher.example/ | latchkey strip --report > clean.html
  latchkey strip --out clean/ --filter-list easylist.txt pages/*.html";

#[derive(Debug, Args)]
#[command(after_help = STRIP_HELP)]
pub(crate) struct Strip {
    /// HTML files; without any, standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) files: Vec<PathBuf>,
    /// Write each file here under its own name, instead of to standard output.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// A file with a `strip` policy: groups, ad_hosts and rules as under [site.strip] in latchkey.toml.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) rules: Option<PathBuf>,
    /// A filter list in EasyList syntax; may be given several times.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) filter_list: Vec<PathBuf>,
    /// Address of the page, so that rules for its host and relative addresses count.
    #[arg(long, value_name = "URL", default_value = "https://www.publisher.example/", value_parser = address_of_site)]
    pub(crate) url: url::Url,
    /// Say on standard error what was removed, by which rule.
    #[arg(long)]
    pub(crate) report: bool,
}
