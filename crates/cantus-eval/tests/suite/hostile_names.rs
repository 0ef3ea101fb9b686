//! Names that try to break out of pictures and pages.

use cantus_eval::{
    BaselineScores, BootstrapOptions, ClipMap, EpochRecord, EvalError, LevelScores, MapClip,
    MapPoint, MapSong, Metrics, PartCounts, Placement, Predictions, ReportInput, SongRemark,
    StageTiming, confusion_svg, history_svg, parse_history, render_report, scatter_svg, song_votes,
};
use roxmltree::{Document, ParsingOptions};

use crate::samples::{clip, favouring, numbered_labels, some_predictions};

const SCRIPT: &str = "<script>alert('x')</script>";

pub(crate) fn hostile_labels() -> Vec<String> {
    vec![
        SCRIPT.to_owned(),
        "\" onload=\"alert(1)".to_owned(),
        "' style='x".to_owned(),
        "</title></svg><img src=x onerror=alert(1)>".to_owned(),
        "{{ 7 * 7 }}{% raw %}".to_owned(),
        "]]>&amp;<!--".to_owned(),
        "🎸👩‍🎤 音楽 ﷽".to_owned(),
        format!("{}end", "long ".repeat(40)),
        "nul\u{0}bell\u{7}".to_owned(),
        "left\u{202E}right".to_owned(),
        "line\nbreak\ttab".to_owned(),
        "e\u{301}\u{301}\u{301}".to_owned(),
    ]
}

/// Predictions of which every song is wrong, so that all names appear everywhere.
fn hostile_predictions() -> Predictions {
    let labels = hostile_labels();
    let classes = labels.len();
    let clips = (0..classes)
        .map(|truth| {
            let song = format!("{}/{SCRIPT}.mp3", labels[truth]);
            clip(&song, 0, truth, &favouring((truth + 1) % classes, classes))
        })
        .collect();
    Predictions::new(labels, clips).unwrap()
}

/// Three epochs, the second without a validation loss.
fn history() -> Vec<EpochRecord> {
    let line = |epoch: u32, validation_loss: &str, is_best: bool| {
        let share = f64::from(epoch) / 5.0;
        format!(
            "{{\"epoch\":{epoch},\"training_loss\":{},\"training_accuracy\":{share},\
             \"validation_loss\":{validation_loss},\"validation_accuracy\":{share},\
             \"is_best\":{is_best},\"learning_rate\":0.001}}\n",
            2.0 - share
        )
    };
    let lines = [line(1, "1.8", true), line(2, "null", false), line(3, "1.2", true)];
    parse_history(&lines.concat()).unwrap()
}

/// A song of two clips by each artist.
fn hostile_map() -> ClipMap {
    let labels = hostile_labels();
    let songs = labels
        .iter()
        .enumerate()
        .map(|(class, label)| MapSong {
            song_id: format!("{label}/{SCRIPT}.mp3"),
            class,
            position: [class as f32, 1.0],
        })
        .collect();
    let clips = (0..2 * labels.len())
        .map(|index| MapClip {
            song: index / 2,
            start_seconds: index as f64,
            position: [index as f32, (index % 5) as f32],
            features: Vec::new(),
        })
        .collect();
    ClipMap::new(labels, songs, clips).unwrap()
}

fn hostile_report() -> String {
    let predictions = hostile_predictions();
    let metrics = Metrics::new(&predictions, &BootstrapOptions::default()).unwrap();
    let mut input = ReportInput::new(SCRIPT, SCRIPT, metrics, song_votes(&predictions));
    input.settings = vec![(SCRIPT.to_owned(), "\"><img src=x>".to_owned())];
    input.parts =
        vec![PartCounts { part: SCRIPT.to_owned(), artists: 1, albums: 2, songs: 3, clips: 4 }];
    input.history = history();
    input.timings = vec![StageTiming { stage: SCRIPT.to_owned(), seconds: 3.0 }];
    input.warnings = vec![SCRIPT.to_owned()];
    input.notes = vec![SCRIPT.to_owned()];
    input.skipped =
        vec![SongRemark { song_id: SCRIPT.to_owned(), remark: "\u{1}</td>".to_owned() }];
    input.damaged.clone_from(&input.skipped);
    input.map = Some(hostile_map());
    let scores = LevelScores::from(&input.metrics.clip);
    let baseline = BaselineScores {
        name: SCRIPT.to_owned(),
        explanation: SCRIPT.to_owned(),
        clip: Some(scores),
        song: Some(scores),
        failure: None,
    };
    let failed = Some(SCRIPT.to_owned());
    input.baselines = vec![
        BaselineScores { clip: None, song: None, failure: failed, ..baseline.clone() },
        BaselineScores { song: None, ..baseline.clone() },
        baseline,
    ];
    render_report(&input).unwrap()
}

pub(crate) fn parse(text: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// Only elements and attributes that the templates hold, and nothing that runs or loads.
pub(crate) fn assert_tame(document: &Document<'_>, scripts: usize) {
    let names = |name: &str| document.descendants().filter(|n| n.has_tag_name(name)).count();
    let local = |name: &str| {
        document.descendants().filter(|n| n.is_element() && n.tag_name().name() == name).count()
    };
    assert_eq!(names("img"), 0);
    assert_eq!(local("script"), scripts);
    for name in ["img", "iframe", "use", "link", "object", "foreignObject"] {
        assert_eq!(local(name), 0, "{name}");
    }
    for node in document.descendants() {
        let is_image = node.is_element() && node.tag_name().name() == "image";
        let address = if is_image { "data:image/png;base64," } else { "#" };
        for attribute in node.attributes() {
            assert!(!attribute.name().starts_with("on"), "{attribute:?}");
            if ["href", "src"].contains(&attribute.name()) {
                assert!(attribute.value().starts_with(address), "{attribute:?}");
            }
        }
    }
}

pub(crate) fn all_text(document: &Document<'_>) -> String {
    document.descendants().filter(roxmltree::Node::is_text).filter_map(|n| n.text()).collect()
}

#[test]
fn a_confusion_matrix_of_hostile_names_is_well_formed_and_tame() {
    let predictions = hostile_predictions();
    let metrics = Metrics::new(&predictions, &BootstrapOptions::default()).unwrap();
    for placement in [Placement::Standalone, Placement::Inline] {
        let svg = confusion_svg(&metrics.clip.confusion, SCRIPT, "clips", placement).unwrap();
        let document = parse(&svg);
        assert_tame(&document, 0);
        assert!(all_text(&document).contains(SCRIPT), "the name itself is still to be read");
        assert!(all_text(&document).contains("{{ 7 * 7 }}"));
    }
}

#[test]
fn a_long_name_is_cut_in_sight_and_whole_in_its_title() {
    let metrics = Metrics::new(&hostile_predictions(), &BootstrapOptions::default()).unwrap();
    let confusion = &metrics.clip.confusion;
    let svg = confusion_svg(confusion, "t", "clips", Placement::Inline).unwrap();
    let document = parse(&svg);
    let long = &hostile_labels()[7];
    let label = document
        .descendants()
        .filter(|node| node.tag_name().name() == "text")
        .find(|node| {
            let title = node.first_element_child().and_then(|title| title.text());
            title == Some(long.as_str())
        })
        .expect("a label with the whole name as its title");
    let shown = label.last_child().and_then(|text| text.text()).unwrap();
    assert_eq!(shown, "long long long long lon…");
}

#[test]
fn a_confusion_matrix_says_every_share_of_every_size() {
    for classes in [1, 2, 8, 20, 30, 60] {
        let truth: Vec<usize> = (0..classes * 3).map(|index| index % classes).collect();
        let predicted: Vec<usize> = (0..classes * 3).map(|index| index / 3).collect();
        let labels = numbered_labels(classes);
        let confusion = cantus_eval::ConfusionMatrix::new(&truth, &predicted, &labels).unwrap();
        let svg = confusion_svg(&confusion, "t", "clips", Placement::Standalone).unwrap();
        let document = parse(&svg);
        let cells = document
            .descendants()
            .filter(|node| {
                let class = node.attribute("class");
                node.tag_name().name() == "rect" && (class == Some("hit") || class == Some("miss"))
            })
            .count();
        let filled = confusion.counts().iter().flatten().filter(|&&count| count > 0).count();
        assert_eq!(cells, filled, "{classes} classes");
        let values = document
            .descendants()
            .filter(|node| node.attribute("class").is_some_and(|c| c.starts_with("value")))
            .count();
        assert_eq!(values, if classes < 45 { classes * classes } else { 0 });
    }
}

#[test]
fn a_scatter_of_hostile_names_is_well_formed_and_tame() {
    let map = hostile_map();
    for placement in [Placement::Standalone, Placement::Inline] {
        let svg =
            scatter_svg(&map.clip_points(), map.labels(), SCRIPT, "clips", placement).unwrap();
        let document = parse(&svg);
        assert_tame(&document, 0);
        assert!(all_text(&document).contains(SCRIPT), "the name itself is still to be read");
        assert!(all_text(&document).contains("{{ 7 * 7 }}"));
    }
}

/// The map's data as the page's script reads them.
fn map_data(page: &str) -> serde_json::Value {
    let document = parse(page);
    let element = document.descendants().find(|node| node.attribute("id") == Some("map-data"));
    serde_json::from_str(element.and_then(|data| data.text()).unwrap()).unwrap()
}

#[test]
fn the_names_on_a_map_arrive_whole_and_hold_no_markup_on_the_way() {
    let page = hostile_report();
    let data = map_data(&page);
    assert_eq!(data["names"][0], SCRIPT);
    assert_eq!(data["names"][4], "{{ 7 * 7 }}{% raw %}");
    assert_eq!(data["songs"].as_array().unwrap().len(), hostile_labels().len());
    let start = page.find("id=\"map-data\">").unwrap();
    let inside = page[start..].split_once('>').unwrap().1;
    assert!(inside.find("</script>") == inside.find('<') && !inside.starts_with('<'));
}

#[test]
fn a_scatter_has_a_path_a_class_and_a_mark_a_point() {
    let labels = numbered_labels(25);
    let points: Vec<MapPoint> = (0..250)
        .map(|index| MapPoint {
            position: [(index % 17) as f32, (index % 29) as f32 * 0.25],
            class: index % 25,
        })
        .collect();
    let svg = scatter_svg(&points, &labels, "t", "clips", Placement::Standalone).unwrap();
    let document = parse(&svg);
    let plane = document.descendants().find(|node| node.attribute("stroke-width").is_some());
    let paths: Vec<&str> =
        plane.unwrap().children().filter_map(|node| node.attribute("d")).collect();
    assert_eq!(paths.len(), 25);
    assert!(paths.iter().all(|path| path.matches('M').count() == 10), "{paths:?}");
}

#[test]
fn scatters_of_no_point_one_point_and_points_on_one_spot_are_drawn() {
    let labels = numbered_labels(2);
    let point = MapPoint { position: [3.0, -1e30], class: 1 };
    for points in [vec![], vec![point], vec![point; 3]] {
        let svg = scatter_svg(&points, &labels, "t", "songs", Placement::Inline).unwrap();
        let document = parse(&svg);
        assert_eq!(all_text(&document).contains("no songs"), points.is_empty());
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}

#[test]
fn points_that_no_picture_can_show_are_refused() {
    let labels = numbered_labels(2);
    let draw = |position: [f32; 2], class: usize| {
        let points = [MapPoint { position: [0.0; 2], class: 0 }, MapPoint { position, class }];
        scatter_svg(&points, &labels, "t", "songs", Placement::Inline).unwrap_err()
    };
    let error = draw([0.0; 2], 2);
    assert!(matches!(error, EvalError::UnknownClass { position: 1, class: 2, classes: 2 }));
    assert!(matches!(draw([f32::NAN, 0.0], 1), EvalError::NotFinite { point: 1 }));
}

#[test]
fn a_history_with_a_gap_breaks_its_line_and_marks_the_best_epoch() {
    let svg = history_svg(&history(), SCRIPT, Placement::Standalone).unwrap();
    let document = parse(&svg);
    assert_tame(&document, 0);
    let paths: Vec<&str> = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("line validation"))
        .filter_map(|node| node.attribute("d"))
        .collect();
    assert_eq!(paths.len(), 3, "one in the legend, two in the panels");
    assert_eq!(paths[1].matches('M').count(), 2, "the loss has a gap: {paths:?}");
    assert_eq!(paths[2].matches('M').count(), 1, "the accuracy has none: {paths:?}");
    assert!(all_text(&document).contains("best: epoch 3"));
}

#[test]
fn histories_of_no_epoch_one_epoch_and_no_numbers_are_drawn() {
    let empty = history_svg(&[], "t", Placement::Inline).unwrap();
    assert!(all_text(&parse(&empty)).contains("no epochs yet"));
    for (epoch, loss) in [(1, "2.5"), (7, "null")] {
        let line = format!(
            "{{\"epoch\":{epoch},\"training_loss\":{loss},\"training_accuracy\":null,\
             \"validation_loss\":null,\"validation_accuracy\":null,\"learning_rate\":null}}"
        );
        let svg = history_svg(&parse_history(&line).unwrap(), "t", Placement::Inline).unwrap();
        parse(&svg);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}

#[test]
fn a_report_of_hostile_names_is_well_formed_and_tame() {
    let page = hostile_report();
    let document = parse(&page);
    // The page's script, and the map's data, which are no script.
    assert_tame(&document, 2);
    assert!(!page.contains("<script>alert"));
    assert!(!page.contains("http:") || page.matches("http:").count() == xmlns(&page), "no network");
    assert!(!page.contains("https:") && !page.contains("url(") && !page.contains("@import"));
}

/// Namespaces are names that look like addresses; nothing loads them.
fn xmlns(page: &str) -> usize {
    page.matches("xmlns=\"http:").count()
}

#[test]
fn a_report_shows_everything_it_is_given() {
    let page = hostile_report();
    let document = parse(&page);
    let ids: Vec<&str> = document.descendants().filter_map(|node| node.attribute("id")).collect();
    for id in [
        "baselines",
        "history",
        "artists",
        "confusion",
        "map",
        "tables",
        "songs",
        "settings",
        "notes",
        "skipped",
    ] {
        assert_eq!(ids.iter().filter(|found| **found == id).count(), 1, "{id}");
    }
    for link in document.descendants().filter_map(|node| node.attribute("href")) {
        assert!(ids.contains(&&link[1..]), "{link} leads nowhere");
    }
    let rows_under = |id: &str| {
        let section = document.descendants().find(|node| node.attribute("id") == Some(id)).unwrap();
        let bodies = section.descendants().filter(|node| node.tag_name().name() == "tbody");
        bodies
            .map(|body| body.children().filter(roxmltree::Node::is_element).count())
            .sum::<usize>()
    };
    let classes = hostile_labels().len();
    assert_eq!(rows_under("artists"), classes);
    assert_eq!(rows_under("songs"), classes);
    assert_eq!(rows_under("tables"), 3 * classes);
}

#[test]
fn a_report_of_scores_alone_leaves_the_other_parts_out() {
    let predictions = some_predictions();
    let options = BootstrapOptions { replicates: 0, ..BootstrapOptions::default() };
    let metrics = Metrics::new(&predictions, &options).unwrap();
    let input = ReportInput::new("run", "corpus", metrics, song_votes(&predictions));
    let page = render_report(&input).unwrap();
    let document = parse(&page);
    let has = |id: &str| document.descendants().any(|node| node.attribute("id") == Some(id));
    assert!(has("tables") && !has("history") && !has("settings") && !has("skipped"));
    assert!(!has("map") && !page.contains("map-view"));
}

#[test]
fn equal_input_gives_an_equal_page() {
    assert_eq!(hostile_report(), hostile_report());
}

#[test]
fn songs_that_the_metrics_do_not_know_are_refused() {
    let predictions = some_predictions();
    let metrics = Metrics::new(&predictions, &BootstrapOptions::default()).unwrap();
    let mut songs = song_votes(&predictions);
    songs[3].vote = 4;
    let error = render_report(&ReportInput::new("run", "corpus", metrics, songs)).unwrap_err();
    assert!(matches!(error, EvalError::UnknownClass { class: 4, .. }), "{error}");
}
