//! Narrower or wider networks that share nothing: `-width9`.

use std::fmt;

use cobasis::SharedConv2d;

use super::method::{MadeWith, Method};
use super::rank::number;
use crate::banks::BankSpec;
use crate::slot::Slot;
use crate::spec::{Architecture, BlockKind, ResNetSpec};

/// The dense network with another width: what shared networks of the same size are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Width {
    /// Channels of the first stage; each later stage doubles them.
    pub channels: usize,
}

/// The residual network of this architecture, if its width may change: the groups of a ResNeXt must
/// divide its channels.
fn spec(architecture: &Architecture) -> Option<&ResNetSpec> {
    match architecture {
        Architecture::ResNet(spec) if spec.block != BlockKind::ResNeXt => Some(spec),
        _ => None,
    }
}

impl Method for Width {
    /// No slot gets one.
    type Layer = SharedConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        spec(architecture).map(|_| "-width<CHANNELS>")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        let spec = spec(architecture)?;
        let width = Self { channels: number(suffix.strip_prefix("width")?)? };
        Some(match width.architecture(architecture).map(|changed| changed.check()) {
            Some(Ok(())) if width.channels == spec.width => {
                Err("this is the network's own width; leave it out")
            }
            Some(Ok(())) => Ok(width),
            Some(Err(_)) | None => Err("expected a width from 1 to what makes 16384 channels"),
        })
    }

    fn banks(&self, _: &[Slot]) -> Vec<BankSpec> {
        Vec::new()
    }

    fn layer(&self, _: &Slot, _: &MadeWith) -> Option<SharedConv2d> {
        None
    }

    fn architecture(&self, of: &Architecture) -> Option<Architecture> {
        spec(of).map(|spec| Architecture::ResNet(spec.clone().with_width(self.channels)))
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "width{}", self.channels)
    }
}
