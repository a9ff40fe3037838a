//! Plans, as they were configured or adopted last.

use latchkey_billing::Plan;
use latchkey_entitlement::Timestamp;

use crate::{MAX_ROWS, Store, StoreError, database::value::args};

impl Store {
    /// Keeps plans in place of those that were there; their order is kept.
    pub async fn replace_plans(&self, plans: &[Plan], now: Timestamp) -> Result<(), StoreError> {
        let bodies = plans.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
        let bodies = bodies.map_err(|error| StoreError::invalid(format!("a plan cannot be stored: {error}")))?;
        let mut link = self.write().await?;
        link.execute(LOCK, &[]).await?;
        link.execute(FORGET, &[]).await?;
        for (position, (plan, body)) in (0_i64..).zip(plans.iter().zip(bodies)) {
            link.execute(ADD, args![plan.id.as_str(), position, body, now]).await?;
        }
        link.commit().await
    }

    /// The plans.
    pub async fn plans(&self) -> Result<Vec<Plan>, StoreError> {
        let rows = self.read().await?.rows(LIST, args![i64::from(MAX_ROWS)]).await?;
        rows.iter()
            .map(|row| row.word("plan", "body", |body| serde_json::from_str(body).ok()))
            .collect()
    }
}

crate::statements! {
    /// Two servers that replace the plans at once do so one after the other.
    LOCK = "UPDATE counter SET value = value + 1 WHERE name = 'plan'";
    FORGET = "DELETE FROM plan";
    ADD = "INSERT INTO plan (id, position, body, stored_at) VALUES ($1, $2, $3, $4)";
    LIST = "SELECT * FROM plan ORDER BY position LIMIT $1";
}
