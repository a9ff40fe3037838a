//! What happens in one history: drawn from its number alone, so that it can be told again, and shortened.

use latchkey_stripe_sandbox::Fault;

use super::process::{Blow, Order, Point};
use crate::Offer;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Readers of a history: few, so that they meet.
pub(super) const MAX_READERS: usize = 3;
pub(super) const SERVERS: usize = 2;
const MIN_STEPS: usize = 12;
const MAX_STEPS: usize = 45;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A reader pays for an offer. `returns` is false for who closes the window; `doubly` for who does it in two tabs at once.
    Buys {
        reader: usize,
        offer: Offer,
        card: &'static str,
        server: usize,
        returns: bool,
        doubly: bool,
    },
    /// In the portal or the dashboard.
    SetsToEnd {
        reader: usize,
        end: bool,
    },
    /// In the dashboard, on a day of its own.
    SetsDay {
        reader: usize,
        days: i64,
    },
    EndsNow {
        reader: usize,
    },
    MovesTo {
        reader: usize,
        offer: Offer,
    },
    /// The next charges fail.
    Declines {
        reader: usize,
        times: u32,
    },
    /// Pays what is open by hand.
    PaysOpen {
        reader: usize,
    },
    /// In the dashboard.
    Refunds {
        reader: usize,
        half: bool,
    },
    Disputes {
        reader: usize,
        way: Dispute,
    },
    /// Somebody deletes the customer in the dashboard.
    IsDeleted {
        reader: usize,
    },
    /// Time goes by.
    Passes {
        millis: i64,
    },
    /// Deliveries arrive, shuffled, some of them twice.
    Delivers {
        server: usize,
        most: usize,
        twice: bool,
        seed: u64,
    },
    /// Deliveries never arrive.
    Loses {
        most: usize,
    },
    Works {
        server: usize,
    },
    Reconciles {
        server: usize,
    },
    Looks {
        server: usize,
        reader: usize,
    },
    /// One after the other, while something else happens.
    InTurn {
        steps: Vec<Step>,
    },
    /// Several of the steps above at once.
    AtOnce {
        steps: Vec<Step>,
        seed: u64,
    },
    /// A server does its round, as it does by itself every few minutes; if it comes through, all is looked at.
    DoesItsRound {
        server: usize,
    },
    /// A server's clock is off by so much.
    Skews {
        server: usize,
        millis: i64,
    },
    /// A process is to be struck.
    Strikes {
        server: usize,
        order: Order,
    },
    /// Stripe's next calls fail.
    Ails {
        fault: Fault,
        times: usize,
    },
    /// Everything settles, and is looked at.
    Settles,
}

/// What a bank does about a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dispute {
    Asks,
    Opens,
    Won,
    Lost,
}

struct Author {
    dice: fastrand::Rng,
    readers: usize,
}

/// The steps of a history.
pub(super) fn draw(seed: u64) -> Vec<Step> {
    let mut dice = fastrand::Rng::with_seed(seed);
    let readers = dice.usize(1..=MAX_READERS);
    let mut author = Author { dice, readers };
    let count = author.dice.usize(MIN_STEPS..=MAX_STEPS);
    let mut steps = vec![author.buys()];
    while steps.len() < count {
        match author.dice.u8(..100) {
            0..=5 => author.overtaken(&mut steps),
            6..=9 => author.cut_off(&mut steps),
            _ => steps.push(author.step()),
        }
    }
    steps
}

impl Author {
    fn reader(&mut self) -> usize {
        self.dice.usize(..self.readers)
    }

    fn server(&mut self) -> usize {
        self.dice.usize(..SERVERS)
    }

    fn offer(&mut self) -> Offer {
        self.dice
            .choice([Offer::Monthly, Offer::Monthly, Offer::Yearly, Offer::Patron])
            .unwrap()
    }

    fn buys(&mut self) -> Step {
        const CARDS: [&str; 9] = [
            "4242424242424242",
            "4242424242424242",
            "4242424242424242",
            "4000000000000341",
            "4000000000000259",
            "4000000000005126",
            "4000000000007726",
            "4000002500003155",
            "4000000000000002",
        ];
        Step::Buys {
            reader: self.reader(),
            offer: self.offer(),
            card: CARDS[self.dice.usize(..CARDS.len())],
            server: self.server(),
            returns: self.dice.u8(..10) < 7,
            doubly: self.dice.u8(..10) == 0,
        }
    }

    fn quick(&mut self) -> Step {
        let (server, reader) = (self.server(), self.reader());
        match self.dice.u8(..10) {
            0..=3 => Step::Delivers {
                server,
                most: self.dice.usize(1..=8),
                twice: self.dice.u8(..4) == 0,
                seed: self.dice.u64(..),
            },
            4..=6 => Step::Works { server },
            7..=8 => Step::Looks { server, reader },
            _ => Step::Reconciles { server },
        }
    }

    /// Something in Stripe that changes what a reader is due.
    fn change(&mut self, reader: usize) -> Step {
        match self.dice.u8(..5) {
            0..=1 => Step::EndsNow { reader },
            2 => Step::Refunds { reader, half: false },
            3 => Step::SetsToEnd { reader, end: true },
            _ => Step::MovesTo {
                reader,
                offer: self.offer(),
            },
        }
    }

    /// Somebody reads a customer and is held up; meanwhile it changes, the other server hears of it, and records it.
    fn overtaken(&mut self, steps: &mut Vec<Step>) {
        let (server, reader) = (self.server(), self.reader());
        let other = (server + 1) % SERVERS;
        let slow = if self.dice.u8(..3) == 0 {
            Step::Works { server }
        } else {
            Step::Looks { server, reader }
        };
        let mut meanwhile = vec![
            self.change(reader),
            Step::Delivers {
                server: other,
                most: 20,
                twice: false,
                seed: self.dice.u64(..),
            },
        ];
        if self.dice.bool() {
            let millis = self.dice.i64(2..=5) * MINUTE;
            meanwhile.push(Step::Passes { millis });
        }
        meanwhile.push(Step::Works { server: other });
        steps.push(Step::AtOnce {
            steps: vec![slow, Step::InTurn { steps: meanwhile }],
            seed: self.dice.u64(..),
        });
        if self.dice.bool() {
            steps.push(Step::Settles);
        }
    }

    /// Something changes, no delivery tells of it, and the server that looks for such things is struck over it.
    fn cut_off(&mut self, steps: &mut Vec<Step>) {
        let (server, reader) = (self.server(), self.reader());
        let change = self.change(reader);
        let order = self.order();
        steps.extend([
            change,
            Step::Loses { most: 20 },
            Step::Strikes { server, order },
            Step::Reconciles { server },
        ]);
        if self.dice.bool() {
            steps.push(Step::Settles);
        }
    }

    fn order(&mut self) -> Order {
        Order {
            point: Point::ALL[self.dice.usize(..Point::ALL.len())],
            skip: self.dice.u32(..4),
            blow: if self.dice.bool() { Blow::Dies } else { Blow::Fails },
        }
    }

    fn step(&mut self) -> Step {
        let reader = self.reader();
        match self.dice.u8(..100) {
            0..=11 => self.buys(),
            12..=16 => Step::SetsToEnd {
                reader,
                end: self.dice.u8(..3) > 0,
            },
            17 => Step::SetsDay {
                reader,
                days: self.dice.i64(1..=40),
            },
            18..=19 => Step::EndsNow { reader },
            20..=23 => Step::MovesTo {
                reader,
                offer: self.offer(),
            },
            24..=27 => Step::Declines {
                reader,
                times: self.dice.u32(1..=5),
            },
            28..=30 => Step::PaysOpen { reader },
            31 => Step::IsDeleted { reader },
            32..=34 => Step::Refunds {
                reader,
                half: self.dice.u8(..3) == 0,
            },
            35..=37 => Step::Disputes {
                reader,
                way: self
                    .dice
                    .choice([
                        Dispute::Asks,
                        Dispute::Opens,
                        Dispute::Opens,
                        Dispute::Won,
                        Dispute::Lost,
                    ])
                    .unwrap(),
            },
            38..=45 => Step::Passes { millis: self.passes() },
            46..=50 => Step::Loses {
                most: self.dice.usize(1..=6),
            },
            51..=66 => self.quick(),
            67..=76 => {
                let mut steps: Vec<Step> = (0..self.dice.usize(2..=5)).map(|_| self.quick()).collect();
                // Stripe's state changes under those who read it.
                if self.dice.bool() {
                    let at = self.dice.usize(..=steps.len());
                    let step = if self.dice.bool() {
                        Step::EndsNow { reader }
                    } else {
                        Step::SetsToEnd { reader, end: true }
                    };
                    steps.insert(at, step);
                }
                // Somebody oversleeps: leases run out under them.
                if self.dice.u8(..3) == 0 {
                    let millis = self.dice.i64(1..=5) * MINUTE;
                    steps.push(Step::Passes { millis });
                }
                Step::AtOnce {
                    steps,
                    seed: self.dice.u64(..),
                }
            }
            77..=85 => Step::Strikes {
                server: self.server(),
                order: self.order(),
            },
            86..=87 => Step::Skews {
                server: self.server(),
                millis: self.skew(),
            },
            88..=90 => Step::DoesItsRound { server: self.server() },
            91..=95 => Step::Ails {
                fault: self
                    .dice
                    .choice([
                        Fault::ServerError,
                        Fault::Unavailable,
                        Fault::RateLimited { retry_after_seconds: 2 },
                        Fault::LockTimeout,
                        Fault::BadGateway,
                        Fault::TimeoutAfterEffect { hold_ms: 0 },
                    ])
                    .unwrap(),
                times: self.dice.usize(1..=4),
            },
            _ => Step::Settles,
        }
    }

    /// Seconds, or more than the tolerance of a signature; forwards or back.
    fn skew(&mut self) -> i64 {
        let size = if self.dice.bool() {
            self.dice.i64(1..=90) * 1_000
        } else {
            self.dice.i64(1..=10) * MINUTE
        };
        if self.dice.bool() { size } else { -size }
    }

    fn passes(&mut self) -> i64 {
        match self.dice.u8(..10) {
            // Within one second, so that stamps are the same.
            0..=2 => 0,
            3..=4 => self.dice.i64(1..=1_500),
            5..=6 => self.dice.i64(1..=180) * MINUTE,
            _ => self.dice.i64(1..=20) * DAY + self.dice.i64(0..=DAY),
        }
    }
}

/// Tries to make a history shorter while `fails` still says so; gives the shortest that was found.
pub(super) async fn shrink(mut steps: Vec<Step>, fails: impl AsyncFn(&[Step]) -> bool) -> Vec<Step> {
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut shorter = steps.clone();
            shorter.drain(at..(at + size).min(steps.len()));
            if fails(&shorter).await {
                steps = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    steps
}
