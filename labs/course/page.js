// Sorts a table by the column whose heading was pressed; numbers as numbers.
for (const table of document.querySelectorAll("table.sorted")) {
	const body = table.tBodies[0];
	const heads = [...table.tHead.rows[0].cells];
	heads.forEach((head, column) => {
		const button = head.querySelector("button");
		if (!button) return;
		button.addEventListener("click", () => {
			const down = head.getAttribute("aria-sort") === "ascending";
			heads.forEach(other => other.removeAttribute("aria-sort"));
			head.setAttribute("aria-sort", down ? "descending" : "ascending");
			const key = row => row.cells[column].dataset.key ?? row.cells[column].textContent;
			const rows = [...body.rows].sort((a, b) => {
				const [x, y] = [key(a), key(b)];
				const order = x !== "" && y !== "" && !isNaN(x) && !isNaN(y)
					? x - y : x.localeCompare(y);
				return down ? -order : order;
			});
			body.append(...rows);
		});
	});
}
