//! Images without labels: a file, or all in a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::View;
use super::error::DataError;
use super::files::ImageFiles;
use super::folder::Found;
use super::image_set::{ImageSet, SetInfo};

/// The images at `path`, in this view and normalised with a mean and a standard deviation for each
/// channel: the file, whatever its name, or the JPEG, PNG and WebP files in the folder and the
/// folders below, in the order of their names.
///
/// They are listed, not read. Links that lead in circles or nowhere, and images of other formats,
/// are left out and logged as warnings; hidden files and folders are none of the images.
///
/// # Errors
///
/// Where there is no such file, no image in the folder, a folder that can't be listed, or they can't be prepared like this: a
/// network gets one channel, for which colours become grey, or three.
pub fn unlabelled(
    path: &Path,
    View { size, resize }: View,
    [mean, std]: [&[f32]; 2],
) -> Result<ImageSet<()>, DataError> {
    let info = SetInfo {
        name: "images".to_string(),
        classes: Vec::new(),
        shape: [mean.len(), size, size],
        mean: mean.to_vec(),
        std: std.to_vec(),
        max_value: u8::MAX,
    };
    if !matches!(mean.len(), 1 | 3) {
        return Err(info.error("channels", "1 or 3", mean.len().to_string()));
    }
    let (root, names) = list(path)?;
    if names.is_empty() {
        let (set, looked_in) = (info.name, vec![root]);
        let files = ["*.jpg", "*.jpeg", "*.png", "*.webp"].map(String::from).to_vec();
        return Err(DataError::MissingFiles { set, files, looked_in });
    }
    // The files lie in the folder itself.
    let (folders, places) = (vec![String::new()], vec![0; names.len()]);
    let (resize, nothing) = (resize as u32, vec![(); names.len()]);
    ImageSet::of_files(info, ImageFiles { root, folders, places, names, resize }, nothing)
}

/// A folder, and files in it.
fn list(path: &Path) -> Result<(PathBuf, Vec<Box<Path>>), DataError> {
    if fs::metadata(path).map_err(DataError::io(path))?.is_dir() {
        let (mut found, mut names) = (Found::default(), Vec::new());
        found.collect(path, &mut names)?;
        found.warn(path);
        return Ok((path.to_path_buf(), names));
    }
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let name = path.strip_prefix(&folder).unwrap_or(path);
    Ok((folder, vec![name.into()]))
}

#[cfg(test)]
mod tests {
    use tempfile::tempdir;

    use super::*;

    const VIEW: View = View { size: 32, resize: 32 };
    const COLOUR: [&[f32]; 2] = [&[0.5; 3], &[0.25; 3]];

    fn names(set: &ImageSet<()>, root: &Path) -> Vec<String> {
        let name = |index| set.describe(index).replace(&format!("{}/", root.display()), "");
        (0..set.len()).map(name).collect()
    }

    #[cfg(unix)]
    #[test]
    fn folders_are_searched_in_order_and_loops_end() {
        let dir = tempdir().expect("a folder");
        fs::create_dir_all(dir.path().join("b/deep")).expect("folders");
        fs::create_dir_all(dir.path().join("b/.ipynb_checkpoints")).expect("folders");
        for name in [
            "b/2.png",
            "b/10.JPG",
            "b/deep/1.jpeg",
            "a.png",
            "c.png",
            "list.txt",
            "._a.png",
            "b/.ipynb_checkpoints/2.png",
        ] {
            fs::write(dir.path().join(name), "").expect("a file");
        }
        std::os::unix::fs::symlink(dir.path(), dir.path().join("b/up")).expect("a link");
        let set = unlabelled(dir.path(), VIEW, COLOUR).expect("images");
        let expected = ["a.png", "b/10.JPG", "b/2.png", "b/deep/1.jpeg", "c.png"];
        assert_eq!(names(&set, dir.path()), expected);
        let file = unlabelled(&dir.path().join("list.txt"), VIEW, COLOUR).expect("a file");
        assert_eq!((names(&file, dir.path()), file.num_classes()), (vec!["list.txt".into()], 0));
    }

    #[test]
    fn nothing_to_look_at_is_told() {
        let dir = tempdir().expect("a folder");
        let refused = |path: &Path, constants| {
            let error = unlabelled(path, VIEW, constants).expect_err("must be refused");
            assert!(error.is_user_error());
            error.to_string().replace(&dir.path().display().to_string(), "DIR")
        };
        let said = refused(dir.path(), COLOUR);
        assert_eq!(said, "images: missing *.jpg, *.jpeg, *.png, *.webp, looked in DIR");
        assert_eq!(refused(&dir.path().join("no"), COLOUR), "DIR/no: cannot be read");
        assert_eq!(refused(dir.path(), [&[0.5; 5]; 2]), "images: channels: expected 1 or 3, got 5");
    }
}
