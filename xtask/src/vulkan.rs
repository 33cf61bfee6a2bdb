//! Whether there can be a Vulkan device, asked before the long build for one.

use std::env;
use std::path::{Path, PathBuf};

/// What to tell where there is none.
pub(crate) const MISSING: &str = "--device wgpu: no Vulkan driver is installed; without a GPU, \
                                  Mesa's software device will do (Debian: apt-get install \
                                  mesa-vulkan-drivers)";

/// Whether this is a system on which Vulkan is the only way to a GPU, and has no driver.
///
/// A driver is a manifest in one of the places that Vulkan's loader looks in. Whether the driver
/// works is for the program to find out.
pub(crate) fn is_missing() -> bool {
    cfg!(target_os = "linux") && !has_driver(|name| env::var(name).ok())
}

fn has_driver(variable: impl Fn(&str) -> Option<String>) -> bool {
    let paths = |name: &str, default: &str| {
        let paths = variable(name).filter(|paths| !paths.is_empty());
        let paths = paths.unwrap_or(default.to_string());
        // Of an empty text, `split_paths` makes an empty path.
        let paths = env::split_paths(&paths).filter(|path| !path.as_os_str().is_empty());
        paths.collect::<Vec<PathBuf>>()
    };
    let chosen = [paths("VK_DRIVER_FILES", ""), paths("VK_ICD_FILENAMES", "")].concat();
    if !chosen.is_empty() {
        return chosen.iter().any(|path| path.exists());
    }
    let home = paths("HOME", "");
    let homes = home.iter().flat_map(|home| [home.join(".config"), home.join(".local/share")]);
    let folders = homes
        .chain(paths("XDG_CONFIG_HOME", ""))
        .chain(paths("XDG_DATA_HOME", ""))
        .chain(paths("XDG_CONFIG_DIRS", "/etc/xdg"))
        .chain(paths("XDG_DATA_DIRS", "/usr/local/share:/usr/share"))
        .chain(["/usr/local/etc", "/etc", "/run/opengl-driver/share"].map(PathBuf::from));
    let added = paths("VK_ADD_DRIVER_FILES", "").iter().any(|path| path.exists());
    added || folders.into_iter().any(|folder| holds_manifest(&folder.join("vulkan/icd.d")))
}

fn holds_manifest(folder: &Path) -> bool {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.path().extension().is_some_and(|end| end == "json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_that_are_chosen_must_exist() {
        let this = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let chosen = |path: &str| {
            let path = path.to_string();
            has_driver(move |name| (name == "VK_DRIVER_FILES").then(|| path.clone()))
        };
        assert!(chosen(this) && chosen(&format!("/none.json:{this}")));
        assert!(!chosen("/none.json"));
    }

    #[test]
    fn drivers_are_found_where_the_loader_looks() -> std::io::Result<()> {
        let data = env::temp_dir().join(format!("cobasis-vulkan-{}", std::process::id()));
        let folder = data.join("vulkan/icd.d");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("lvp_icd.x86_64.json"), "{}")?;
        let path = data.display().to_string();
        let found = has_driver(|name| (name == "XDG_DATA_HOME").then(|| path.clone()));
        std::fs::remove_dir_all(&data)?;
        assert!(found);
        Ok(())
    }
}
