//! Stacks over the services themselves: their lives, their failures, their crashes.

mod change_sets;
mod crashes;
mod exports;
mod failures;
mod lives;
mod world;
