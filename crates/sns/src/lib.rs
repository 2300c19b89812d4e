//! ropeway-sns.
