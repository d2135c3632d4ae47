//! Accounts: logins, tokens, members, recovery, letters. Each test runs on both databases.

mod chain_parts;
mod claim;
mod graphql;
mod invitation;
mod jwt;
mod login;
mod member;
mod recovery;
mod retention;
mod service_token;
mod socket;
mod throttle;
