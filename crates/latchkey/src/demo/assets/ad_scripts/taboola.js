(function() {
{{common}}
  function thumbnails(container) {
    var box = document.getElementById(container);
    if (!box || box.firstChild) { return; }
    var title = document.createElement('p');
    title.textContent = 'Promoted links';
    title.style.cssText = 'font:600 .8rem/1 sans-serif;opacity:.7;margin:0 0 .6rem';
    box.appendChild(title);
    var row = document.createElement('div');
    row.style.cssText = 'display:grid;grid-template-columns:repeat(auto-fit,minmax(160px,1fr));gap:12px';
    [1, 3, 5].forEach(function(product) {
      var link = document.createElement('a');
      link.href = adServer + '/click/' + product;
      link.target = '_blank';
      link.rel = 'sponsored noopener';
      var image = new Image();
      image.src = adServer + '/banner/' + product + '/300x180.svg?page=' + page;
      image.alt = 'Advertisement';
      image.style.cssText = 'width:100%;height:auto;display:block;aspect-ratio:5/3';
      link.appendChild(image);
      row.appendChild(link);
    });
    box.appendChild(row);
  }
  function handle(entry) { if (entry && entry.container) { thumbnails(entry.container); } }
  var waiting = window._taboola || [];
  window._taboola = {push: handle};
  for (var i = 0; i < waiting.length; i++) { handle(waiting[i]); }
})();
