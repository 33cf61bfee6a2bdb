//! Images without labels: files, and all in folders.

use std::fs;
use std::path::{Path, PathBuf};

use super::View;
use super::error::DataError;
use super::files::{FileView, ImageFiles};
use super::folder::Found;
use super::image_set::ImageSet;
use super::set_info::SetInfo;

/// The images at these paths, in this view and normalised with a mean and a standard deviation for each
/// channel: a file, whatever its name, or the JPEG, PNG and WebP files in a folder and the folders below,
/// in the order of their names; one path after the other.
///
/// They are listed, not read. Links that lead in circles or nowhere, and images of other formats, are
/// left out and logged as warnings; hidden files and folders are none of the images. Of several paths,
/// one where nothing is counts as an image that can't be read, and a folder without images is logged as
/// a warning.
///
/// # Errors
///
/// Where nothing is at the only path, there is no image in the folders, a folder can't be listed, or they
/// can't be prepared like this: a network gets one channel, for which colours become grey, or three.
pub fn unlabelled(
    paths: &[impl AsRef<Path>],
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
    let paths: Vec<&Path> = paths.iter().map(AsRef::as_ref).collect();
    let mut names: Vec<Box<Path>> = Vec::new();
    for &path in &paths {
        let before = names.len();
        match list(path, &mut names) {
            // Reading it as an image tells what is wrong, in its place among the others.
            Err(_) if paths.len() > 1 => names.push(path.into()),
            listed => listed?,
        }
        if names.len() == before && paths.len() > 1 {
            log::warn!("{}: no images", path.display());
        }
    }
    if names.is_empty() {
        let (set, looked_in) = (info.name, paths.into_iter().map(Path::to_path_buf).collect());
        let files = ["*.jpg", "*.jpeg", "*.png", "*.webp"].map(String::from).to_vec();
        return Err(DataError::MissingFiles { set, files, looked_in });
    }
    let root = PathBuf::new();
    // Every file is named as it was given.
    let (folders, places) = (vec![String::new()], vec![0; names.len()]);
    let (view, nothing) = (FileView::Centre { resize: resize as u32 }, vec![(); names.len()]);
    ImageSet::of_files(info, ImageFiles { root, folders, places, names, view }, nothing)
}

/// Adds the file, or the images in the folder.
fn list(path: &Path, names: &mut Vec<Box<Path>>) -> Result<(), DataError> {
    if !fs::metadata(path).map_err(DataError::io(path))?.is_dir() {
        names.push(path.into());
        return Ok(());
    }
    let (mut found, mut inside) = (Found::default(), Vec::new());
    found.collect(path, &mut inside)?;
    found.warn(path);
    names.extend(inside.into_iter().map(|name| path.join(name).into_boxed_path()));
    Ok(())
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
        let set = unlabelled(&[dir.path()], VIEW, COLOUR).expect("images");
        let expected = ["a.png", "b/10.JPG", "b/2.png", "b/deep/1.jpeg", "c.png"];
        assert_eq!(names(&set, dir.path()), expected);
        let file = unlabelled(&[dir.path().join("list.txt")], VIEW, COLOUR).expect("a file");
        assert_eq!((names(&file, dir.path()), file.num_classes()), (vec!["list.txt".into()], 0));
    }

    #[test]
    fn several_paths_follow_one_another_as_given() {
        let dir = tempdir().expect("a folder");
        for folder in ["b", "a", "empty"] {
            fs::create_dir(dir.path().join(folder)).expect("a folder");
        }
        for name in ["b/2.png", "b/1.png", "a/3.png"] {
            fs::write(dir.path().join(name), "").expect("a file");
        }
        let paths = ["b/2.png", "a", "none.png", "empty", "b"].map(|path| dir.path().join(path));
        let set = unlabelled(&paths, VIEW, COLOUR).expect("images");
        assert_eq!(
            names(&set, dir.path()),
            ["b/2.png", "a/3.png", "none.png", "b/1.png", "b/2.png"]
        );
        let nothing =
            unlabelled(&[dir.path().join("empty"), dir.path().join("empty")], VIEW, COLOUR);
        assert!(nothing.expect_err("must be refused").is_user_error());
    }

    #[test]
    fn nothing_to_look_at_is_told() {
        let dir = tempdir().expect("a folder");
        let refused = |path: &Path, constants| {
            let error = unlabelled(&[path], VIEW, constants).expect_err("must be refused");
            assert!(error.is_user_error());
            error.to_string().replace(&dir.path().display().to_string(), "DIR")
        };
        let said = refused(dir.path(), COLOUR);
        assert_eq!(said, "images: missing *.jpg, *.jpeg, *.png, *.webp, looked in DIR");
        assert_eq!(refused(&dir.path().join("no"), COLOUR), "DIR/no: cannot be read");
        assert_eq!(refused(dir.path(), [&[0.5; 5]; 2]), "images: channels: expected 1 or 3, got 5");
    }
}
