//! Deployed networks in the browser: [`cobasis_run`] behind exports that any page can call.
//!
//! Only numbers cross the border. The module owns all memory: a page asks for room ([`room_for_bytes`],
//! [`room_for_images`]), writes there, and calls what reads it. Networks are called by their numbers, from 1 on;
//! 0 and null are errors, of which [`text`] then tells what is wrong. Addresses are good until the next call.
//! `docs/browser.md` has a page's part of it.

mod state;

use state::with;

/// The version of these exports, which a page compares with the one it was written for.
pub const INTERFACE: u32 = 1;

/// [`INTERFACE`].
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn interface() -> u32 {
    INTERFACE
}

/// Room for so many bytes: of a file for [`load`], or of a word for [`metadata`]. Null if there is too little
/// memory.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn room_for_bytes(bytes: usize) -> *mut u8 {
    with(|state| state.room_for_bytes(bytes))
}

/// Room for the numbers of a batch of images, for [`run`]. Null if there is too little memory.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn room_for_images(numbers: usize) -> *mut f32 {
    with(|state| state.room_for_images(numbers))
}

/// Makes a network of the bytes of a deployed file, which are then given back, and returns its number; 0 if they
/// are none.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn load() -> u32 {
    with(|state| state.load())
}

/// Forgets a network. Its number may be given to another.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn unload(network: u32) {
    with(|state| state.unload(network));
}

/// The channels of the images that a network takes; 0 if there is no such network.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn channels(network: u32) -> usize {
    with(|state| state.channels(network))
}

/// Finds what a network's file says of itself under the word that was written as bytes: 1 if [`text`] has it now,
/// 0 if there is no such entry.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn metadata(network: u32) -> u32 {
    with(|state| state.metadata(network))
}

/// Computes the output for the images in their room, `[batch, channels, height, width]`, and returns how many
/// numbers it has; 0 if they are not what the network takes.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn run(
    network: u32,
    batch: usize,
    channels: usize,
    height: usize,
    width: usize,
) -> usize {
    with(|state| state.run(network, [batch, channels, height, width]))
}

/// Where the output of the last [`run`] is.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn output() -> *const f32 {
    with(|state| state.output())
}

/// Where the text of the last error or of the last [`metadata`] is, in UTF-8.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn text() -> *const u8 {
    with(|state| state.text().as_ptr())
}

/// The bytes of [`text`].
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn text_length() -> usize {
    with(|state| state.text().len())
}
