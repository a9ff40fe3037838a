// Keeps the numbers fresh without a reload.
(function() {
  async function refresh() {
    try {
      const numbers = await (await fetch('/numbers', {cache: 'no-store'})).json();
      for (const [name, value] of Object.entries(numbers)) {
        const place = document.getElementById(name);
        if (place) { place.textContent = value; }
      }
    } catch { /* The demo has stopped; the last numbers stay. */ }
  }
  refresh();
  setInterval(refresh, 2000);
})();
