  var adServer = 'http://{{ads}}';
  var page = encodeURIComponent(location.pathname);
  function frame(slot, width, height) {
    var f = document.createElement('iframe');
    f.src = adServer + '/frame?slot=' + slot + '&size=' + width + 'x' + height + '&page=' + page;
    f.width = width; f.height = height; f.title = 'Advertisement';
    f.setAttribute('scrolling', 'no');
    f.style.cssText = 'border:0;max-width:100%;display:block;margin:0 auto';
    return f;
  }
