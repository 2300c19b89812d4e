//! States of versions: a runtime that is not at hand is fetched by the actor, and until then a function is
//! `Pending`, or its update `InProgress`
//! (<https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>). The order outlives a crash, and so does
//! the row that it ends.

use ropeway_core::keys::Space;
use ropeway_core::{Fault, Settled, Tx};
use ropeway_wire::Error;

use super::LambdaMachine;
use crate::errors;
use crate::keys::FunctionName;
use crate::model::{LATEST, Order, Preparation};

/// What the names of lanes begin with that runtimes are fetched in.
const LANE: &str = "prepare/";

/// The signal by which pollers learn that a function has become active; each passes it on to the next.
pub fn signal(name: &FunctionName) -> String {
    format!("lambda/active/{}", name.arn())
}

impl LambdaMachine {
    /// How a version stands whose runtime is not at hand; `None`: it is active.
    pub(super) async fn preparation(
        &self,
        tx: &Tx,
        name: &FunctionName,
        generation: u64,
        version: &str,
    ) -> Result<Option<Preparation>, Fault> {
        if !self.preparing.contains(name) {
            return Ok(None);
        }
        tx.read(&name.preparation(generation, version)).await
    }

    /// Has the runtime of a version fetched.
    pub(super) fn prepare(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        generation: u64,
        (version, runtime): (&str, &str),
        update: bool,
    ) -> Result<(), Fault> {
        self.preparing.insert(name.clone());
        tx.write(name.preparation(generation, version), &Preparation { update, failed: None })?;
        let order = Order::Prepare {
            function: name.clone(),
            generation,
            version: version.to_owned(),
            runtime: runtime.to_owned(),
        };
        tx.send_to_actor(&format!("{LANE}{}", name.qualified(Some(version))), Space::Lambda, &order)
    }

    /// Finds which versions of a function have no runtime at hand.
    pub(super) async fn load_preparations(
        &mut self,
        tx: &Tx,
        name: &FunctionName,
        generation: u64,
    ) -> Result<(), Fault> {
        if !tx.scan_prefix(&name.preparations(generation), None, 1).await?.rows.is_empty() {
            self.preparing.insert(name.clone());
        }
        Ok(())
    }

    /// A function that is being made or changed must not be changed.
    pub(super) async fn check_settled(
        &self,
        tx: &Tx,
        name: &FunctionName,
        generation: u64,
    ) -> Result<Option<Preparation>, Error> {
        let now = self.preparation(tx, name, generation, LATEST).await?;
        match &now {
            Some(now) if now.failed.is_none() => Err(errors::under_way(name, now)),
            _ => Ok(now),
        }
    }

    /// Whether a lane is one of these.
    pub(super) fn prepares(lane: &str) -> bool {
        lane.starts_with(LANE)
    }

    /// A runtime is there, or cannot be had.
    pub(super) async fn prepared(&mut self, tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        let Order::Prepare { function: name, generation, version, .. } =
            postcard::from_bytes(settled.payload)?
        else {
            return Err(Fault::Damaged("an order in another one's lane".to_owned()));
        };
        let key = name.preparation(generation, &version);
        // The function, or the version, may have gone.
        let Some(mut now) = tx.read::<Preparation>(&key).await? else { return Ok(()) };
        match settled.result {
            Ok(_) => tx.delete(key),
            Err(why) => {
                tracing::warn!(function = name.arn(), version, why, "a function's runtime cannot be had");
                now.failed = Some(why.to_owned());
                tx.write(key, &now)?;
            }
        }
        tx.wake(&signal(&name), 1);
        Ok(())
    }
}

/// A version that can be invoked: its own runtime is at hand, or was before an update.
pub fn check_active(preparation: Option<&Preparation>) -> Result<(), Error> {
    match preparation {
        Some(now) if !now.update => Err(errors::not_active(now)),
        _ => Ok(()),
    }
}
