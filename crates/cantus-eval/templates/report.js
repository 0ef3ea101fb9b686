document.querySelectorAll("table.sortable").forEach(function (table) {
  var heads = table.tHead.rows[0].cells;
  table.classList.add("sorting");
  function key(row, column) {
    var cell = row.cells[column];
    var text = cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
    var number = Number(text);
    return text === "" || Number.isNaN(number) ? text : number;
  }
  Array.prototype.forEach.call(heads, function (head, column) {
    head.tabIndex = 0;
    function sort() {
      var rows = Array.from(table.tBodies[0].rows);
      var numeric = rows.every(function (row) { return typeof key(row, column) === "number"; });
      var first = numeric ? "descending" : "ascending";
      var second = numeric ? "ascending" : "descending";
      var order = head.getAttribute("aria-sort") === first ? second : first;
      var sign = order === "ascending" ? 1 : -1;
      rows.sort(function (a, b) {
        var left = key(a, column), right = key(b, column);
        return sign * (numeric ? left - right : String(left).localeCompare(String(right)));
      });
      Array.prototype.forEach.call(heads, function (other) { other.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", order);
      rows.forEach(function (row) { table.tBodies[0].appendChild(row); });
    }
    head.addEventListener("click", sort);
    head.addEventListener("keydown", function (event) { if (event.key === "Enter") sort(); });
  });
});
