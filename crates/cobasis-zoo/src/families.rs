//! The families of networks.

pub(crate) mod densenet;
pub(crate) mod mobilenet;
pub(crate) mod resnet;
