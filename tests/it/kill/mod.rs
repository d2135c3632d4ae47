//! Nothing is lost: servers and imports are killed while they write, databases go away and come back, disks
//! run full, and copies are taken meanwhile. Whatever was acknowledged must then be there once, and whatever
//! was not must be there whole or not at all.

mod cluster;
mod deployment;
mod disk_full;
mod drill;
mod importing;
mod ledger;
mod orders;
mod outage;
mod serving;
mod sheets;
mod writers;
