(function() {
  var hit = new Image(1, 1);
  hit.src = 'http://{{stats}}/hit?page=' + encodeURIComponent(location.pathname) + '&t=' + Date.now();
})();
