//! The stages, one a file, in the order of the data: scan, preprocess, duplicates, split, baseline,
//! train, evaluate, map, report; [`embed`] is of a corpus and any model. [`trial`] brings them up to date.

pub(crate) mod baseline;
pub(crate) mod clips;
pub(crate) mod duplicates;
pub(crate) mod embed;
mod environment;
pub(crate) mod evaluate;
mod map;
pub(crate) mod preprocess;
pub(crate) mod report;
pub(crate) mod scan;
pub(crate) mod split;
mod timing;
pub(crate) mod train;
pub(crate) mod trial;
