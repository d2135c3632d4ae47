//! The change feed: pages, the subscription, and both under concurrent writers.

mod pages;
mod scene;
mod scope;
mod subscription;
mod writers;
