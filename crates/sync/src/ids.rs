//! Identifiers and secrets as an argument, so that tests and the simulator can repeat a run.

use latchkey_entitlement::EventId;

/// Where new identifiers and secrets come from.
pub trait Ids: Send + Sync {
    /// A new UUID, version 7, of the clock's present.
    fn uuid(&self) -> uuid::Uuid;
    /// 32 bytes that nobody can guess.
    fn secret(&self) -> [u8; 32];

    /// A new identifier for a record of ours.
    fn event(&self) -> EventId {
        EventId::from_uuid(self.uuid())
    }
}
