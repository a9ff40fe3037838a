// A tag manager as sites use them: it loads whatever its container says. What the page put into
// window.dataLayer is forwarded to the tags and decides nothing here, because most containers have
// no rule that asks a reader's wish.
(function() {
  var tags = [
    {name: 'anchor advertisement', src: 'http://{{ads}}/adtag.js'},
    {name: 'page views', src: 'http://{{stats}}/a.js'}
  ];
  tags.forEach(function(tag) {
    var script = document.createElement('script');
    script.async = true;
    script.src = tag.src;
    document.head.appendChild(script);
  });
})();
