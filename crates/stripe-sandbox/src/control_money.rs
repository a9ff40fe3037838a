//! What banks do with money after it was paid, on request.

use crate::config::SandboxError;
use crate::control::{Control, refused};
use crate::dispute::DisputeStatus;
use crate::refund::RefundStatus;

impl Control<'_> {
    /// The charges that moved money for a customer, the oldest first.
    pub fn paid_charges_of(&self, customer: &str) -> Vec<String> {
        self.sandbox.edit(|state| {
            let own = state.charges.values();
            let own = own.filter(|one| one.is_paid() && one.customer.as_deref() == Some(customer));
            own.map(|one| one.id.clone()).collect()
        })
    }

    /// The bank takes back what a charge moved, or with `inquiry` only asks about it. Gives the dispute's id.
    pub fn open_dispute(&self, charge: &str, inquiry: bool) -> Result<String, SandboxError> {
        self.sandbox
            .edit(|state| state.open_dispute(charge, inquiry).map_err(refused))
    }

    /// An inquiry becomes a dispute.
    pub fn escalate_inquiry(&self, dispute: &str) -> Result<(), SandboxError> {
        self.moves(dispute, DisputeStatus::NeedsResponse)
    }

    /// Evidence was sent, and the bank looks at it.
    pub fn review_dispute(&self, dispute: &str) -> Result<(), SandboxError> {
        let inquiry = self
            .sandbox
            .edit(|state| state.disputes.get(dispute).is_some_and(|one| one.status.is_inquiry()));
        self.moves(
            dispute,
            if inquiry {
                DisputeStatus::WarningUnderReview
            } else {
                DisputeStatus::UnderReview
            },
        )
    }

    /// The bank gives the money again.
    pub fn win_dispute(&self, dispute: &str) -> Result<(), SandboxError> {
        self.moves(dispute, DisputeStatus::Won)
    }

    /// The bank keeps the money.
    pub fn lose_dispute(&self, dispute: &str) -> Result<(), SandboxError> {
        self.moves(dispute, DisputeStatus::Lost)
    }

    /// The bank asks no further.
    pub fn close_inquiry(&self, dispute: &str) -> Result<(), SandboxError> {
        self.moves(dispute, DisputeStatus::WarningClosed)
    }

    /// A refund that is under way arrives now.
    pub fn settle_refund(&self, refund: &str) -> Result<(), SandboxError> {
        self.ends(refund, RefundStatus::Succeeded)
    }

    /// A refund does not arrive: its money comes back to the account, even if Stripe had said that it had succeeded.
    pub fn fail_refund(&self, refund: &str) -> Result<(), SandboxError> {
        self.ends(refund, RefundStatus::Failed)
    }

    /// A refund that is under way is called back.
    pub fn cancel_refund(&self, refund: &str) -> Result<(), SandboxError> {
        self.ends(refund, RefundStatus::Canceled)
    }

    fn moves(self, dispute: &str, to: DisputeStatus) -> Result<(), SandboxError> {
        self.sandbox
            .edit(|state| state.move_dispute(dispute, to).map_err(refused))
    }

    fn ends(self, refund: &str, status: RefundStatus) -> Result<(), SandboxError> {
        self.sandbox.edit(|state| {
            if !state.refunds.contains_key(refund) {
                return Err(SandboxError::NoSuch {
                    what: "refund",
                    id: refund.to_owned(),
                });
            }
            if state.end_refund(refund, status) {
                Ok(())
            } else {
                Err(SandboxError::Refused(
                    "the refund has come to its end already".to_owned(),
                ))
            }
        })
    }
}
