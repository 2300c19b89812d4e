//! Through the generated trait, over the store in memory and the embedded one.

mod acls;
mod buckets;
mod conditional;
mod customer;
mod lifecycle;
mod listing;
mod locks;
mod model;
mod multipart;
mod notifications;
mod objects;
mod storage;
mod support;
mod versions;
mod wire;
